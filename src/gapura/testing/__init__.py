"""What every provider must hold to, for those who write one: run it in your own tests.

    check_provider(ACME, Cases(answers=(Said(…),), streams=(Said(…),), errors=(Refusal(…),)))

It asks the provider nothing over a network.  It looks at

    requests   every field is sent or told as lost, every message arrives, a cap holds
    answers    OpenAI's form, the vendor's text, usage counted once
    streams    the same at every cut; one end; what was cut short is never passed off as whole
    failures   an error is one wherever it comes; what it means; the key goes out in headers and nowhere else
"""

from collections.abc import Callable, Iterator

from gapura.providers.base import Provider
from gapura.testing.answers import answers
from gapura.testing.cases import Cases, Refusal, Said
from gapura.testing.failures import failures
from gapura.testing.requests import requests
from gapura.testing.streams import streams

__all__ = ["Cases", "ProviderFails", "Refusal", "Said", "check_provider", "findings"]

CHECKS: tuple[Callable[[Provider, Cases], Iterator[str]], ...] = (requests, answers, streams, failures)


class ProviderFails(AssertionError):
    """Names everything that was found."""

    def __init__(self, name: str, found: list[str]) -> None:
        super().__init__("\n".join([f"{name}:", *(f"- {one}" for one in found)]))
        self.found = found


def findings(provider: Provider, cases: Cases) -> list[str]:
    """What is wrong with it, a sentence each; a crash of its own is a finding, too."""
    found: list[str] = []
    for check in CHECKS:
        try:
            found += check(provider, cases)
        except Exception as error:  # noqa: BLE001 - whatever somebody's adapter raises
            found.append(f"{check.__name__}: it raised {type(error).__name__}: {error}")
    return list(dict.fromkeys(found))


def check_provider(provider: Provider, cases: Cases) -> None:
    """Raises ProviderFails."""
    if found := findings(provider, cases):
        raise ProviderFails(provider.name, found)
