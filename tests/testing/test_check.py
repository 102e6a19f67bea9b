"""The check suite: every provider of ours passes, and each planted fault is found."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.testing.cases import ANTHROPIC, GLM, LIKE_OPENAI, OURS

from gapura.errors import UpstreamFailed
from gapura.providers import PROVIDERS
from gapura.providers.base import Headers, Provider, Reader, Translation
from gapura.providers.compatible import servers
from gapura.providers.kinds import provider
from gapura.terms.usage import Usage
from gapura.testing import Cases, ProviderFails, check_provider, findings

KINDS = {**OURS, **dict.fromkeys(servers(), LIKE_OPENAI)}


def test_every_kind_of_ours_has_cases() -> None:
    assert set(KINDS) == {*PROVIDERS, *servers()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_provider_of_ours_passes(kind: str) -> None:
    check_provider(provider(kind), KINDS[kind])


class Wrong:
    """A sound adapter with one fault: a subclass overrides what is wrong."""

    def __init__(self, sound: Provider) -> None:
        self._sound = sound

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sound, name)


class DropsAField(Wrong):
    """Quietly: neither sent nor told."""

    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        done = self._sound.translate(body, asked, model, cap)
        sent = {name: value for name, value in json.loads(done.body).items() if name != "temperature"}
        losses = tuple(loss for loss in done.losses if loss.field != "temperature")
        return replace(done, body=json.dumps(sent).encode(), losses=losses)


class SendsAConstant(Wrong):
    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        done = self._sound.translate(body, asked, model, cap)
        sent = json.loads(done.body)
        sent.update({"stop": ["END"]} if "stop" in sent else {})
        return replace(done, body=json.dumps(sent).encode())


class ForgetsALoss(Wrong):
    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        return replace(self._sound.translate(body, asked, model, cap), losses=())


class LosesAMessage(Wrong):
    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        done = self._sound.translate(body, asked, model, cap)
        sent = json.loads(done.body)
        sent["messages"] = [one for one in sent["messages"] if one["role"] != "system"]
        return replace(done, body=json.dumps(sent).encode())


class IgnoresTheCap(Wrong):
    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        return self._sound.translate(body, asked, model, None)


class AsksForTheCallersModel(Wrong):
    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        done = self._sound.translate(body, asked, model, cap)
        return replace(done, body=done.body.replace(json.dumps(model).encode(), b'"asked-for"'))


class SwallowsAnError(Wrong):
    """Makes an answer of whatever came with a 200."""

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        try:
            return self._sound.answer(body, model)
        except UpstreamFailed:
            return self._sound.answer(LIKE_OPENAI.answers[0].wire, model)


class TellsTheKeysErrorAsTheCallers(Wrong):
    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        failure = self._sound.fault(status, headers, body)
        return UpstreamFailed(failure.message, status=401) if failure.code == "provider_auth_failed" else failure


class TellsEveryoneToRetry(Wrong):
    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        failure = self._sound.fault(status, headers, body)
        failure.should_retry = None
        return failure


class RepeatsTheVendorsWords(Wrong):
    """A vendor that says the wrong key back tells it to the caller."""

    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        failure = self._sound.fault(status, headers, body)
        failure.message = body.decode()
        return failure


class MiscountsUsage(Wrong):
    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        said, usage = self._sound.answer(body, model)
        return said, usage and Usage(usage.input + usage.cached, usage.output, usage.cached)


class LeaksTheKeyInThePath(Wrong):
    """As a query, where every proxy on the way logs it."""

    _key = ""

    def headers(self, key: str) -> Headers:
        self._key = key
        return self._sound.headers(key)

    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        done = self._sound.translate(body, asked, model, cap)
        return replace(done, path=f"{self._sound.path}?key={self._key}") if self._key else done


class LeaksTheKeyInAName(Wrong):
    def headers(self, key: str) -> Headers:
        return [*self._sound.headers(key), (b"x-" + key.encode(), b"1")]


class ChoosesAHost(Wrong):
    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        done = self._sound.translate(body, asked, model, cap)
        return replace(done, path="https://elsewhere.example/v1/chat")


class Reading:
    """A reader with one fault."""

    def __init__(self, sound: Reader) -> None:
        self._sound = sound

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sound, name)


class EndsEarly(Reading):
    """A hang-up in the middle is its end."""

    def close(self) -> bytes:
        try:
            return self._sound.close()
        except UpstreamFailed:
            return b"data: [DONE]\n\n"


class SwallowsTheStreamsError(Reading):
    def feed(self, data: bytes) -> bytes:
        return self._sound.feed(data) if b'"error"' not in data else b""

    def close(self) -> bytes:
        return b"data: [DONE]\n\n"


class SplitsByReads(Reading):
    """Takes each read for whole events."""

    def feed(self, data: bytes) -> bytes:
        return self._sound.feed(data if data.endswith(b"\n\n") else data + b"\n\n")


class TellsUsageTwice(Reading):
    def feed(self, data: bytes) -> bytes:
        out = self._sound.feed(data)
        last = next((one for one in out.split(b"\n\n") if b'"usage":{' in one), b"")
        return last + b"\n\n" + out if last else out


class NeverEnds(Reading):
    def feed(self, data: bytes) -> bytes:
        return self._sound.feed(data).replace(b"data: [DONE]\n\n", b"")


class LosesTheLastWords(Reading):
    def feed(self, data: bytes) -> bytes:
        kept = [one for one in self._sound.feed(data).split(b"\n\n") if b" pagi" not in one]
        return b"\n\n".join(kept)


class KeepsTheVendorsReason(Reading):
    def feed(self, data: bytes) -> bytes:
        return self._sound.feed(data).replace(b'"finish_reason":"stop"', b'"finish_reason":"end_turn"')


def reading(wrong: Callable[[Reader], Any]) -> type[Wrong]:
    class WithReader(Wrong):
        def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Any:
            return wrong(self._sound.reader(model, include_usage=include_usage, choices=choices))

    return WithReader


class Crashes(Wrong):
    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:
        raise KeyError(model, include_usage, choices)


FAULTS: list[tuple[type[Wrong], str]] = [
    (DropsAField, "temperature disappears"),
    (SendsAConstant, "stop disappears"),
    (ForgetsALoss, "logit_bias disappears"),
    (LosesAMessage, "the words of a message are lost (system)"),
    (IgnoresTheCap, "a cap of the output is not kept to"),
    (AsksForTheCallersModel, "the target's model is not asked for"),
    (SwallowsAnError, "an error inside a 200 is passed on"),
    (TellsTheKeysErrorAsTheCallers, "told to the caller as one of theirs (401)"),
    (TellsEveryoneToRetry, "nobody shall try again"),
    (RepeatsTheVendorsWords, "the key is told to the caller"),
    (MiscountsUsage, "usage is miscounted"),
    (LeaksTheKeyInThePath, "the key goes out in a path"),
    (LeaksTheKeyInAName, "the key stands in the name of a header"),
    (ChoosesAHost, "only the configuration chooses a host"),
    (reading(EndsEarly), "a stream that was cut short is passed off as whole"),
    (reading(SwallowsTheStreamsError), "of a stream is swallowed"),
    (reading(SplitsByReads), "cut in two another stream comes out"),
    (reading(TellsUsageTwice), "usage is told more than once"),
    (reading(NeverEnds), "it has not exactly one [DONE]"),
    (reading(LosesTheLastWords), "its text is another"),
    (reading(KeepsTheVendorsReason), "it is not in OpenAI's form"),
    (Crashes, "it raised KeyError"),
]


@pytest.mark.parametrize(("wrong", "told"), FAULTS, ids=lambda one: one.__name__ if isinstance(one, type) else "")
def test_a_planted_fault_is_found(wrong: type[Wrong], told: str) -> None:
    adapter: Any = wrong(PROVIDERS["glm"])
    with pytest.raises(ProviderFails) as caught:
        check_provider(adapter, GLM)
    assert any(told in one for one in caught.value.found), caught.value


@pytest.mark.parametrize(("kind", "cases"), [("glm", GLM), ("anthropic", ANTHROPIC)])
def test_a_wrapper_without_a_fault_is_found_sound(kind: str, cases: Cases) -> None:
    adapter: Any = Wrong(PROVIDERS[kind])
    assert findings(adapter, cases) == []
