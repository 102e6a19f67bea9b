"""Names that are shut, and what does their work at another vendor."""

from datetime import date

import pytest

from gapura.providers.catalogue import catalogue, model
from gapura.providers.counterparts import counterpart, counterparts, find
from gapura.rulebook.stand_ins import SERVED

OURS = ("openai", "qwen", "ernie", "glm")


@pytest.mark.parametrize(
    ("name", "provider", "other"),
    [
        ("gpt-3.5-turbo", "qwen", "qwen-flash"),
        ("gpt-3.5-turbo-0125", "qwen", "qwen-flash"),
        ("gpt-4o-mini", "glm", "glm-5.3-flash"),
        ("gpt-4o-2024-08-06", "ernie", "ernie-5.0"),
        ("gpt-5", "openai", "gpt-6.1-sol"),
        ("gpt-4-turbo-2024-04-09", "qwen", "qwen3-max"),
        ("gpt-4-vision-preview", "glm", "glm-5v-turbo"),
        ("ERNIE-3.5-8K", "ernie", "ernie-4.5-turbo-128k"),
        ("qwen-turbo", "qwen", "qwen-flash"),
        ("text-embedding-ada-002", "qwen", "text-embedding-v4"),
        ("dall-e-3", "glm", "glm-image"),
        ("whisper-1", "ernie", ""),
        ("somebody-s-own", "qwen", ""),
        ("gpt-4o", "nobody", ""),
    ],
)
def test_a_name_has_its_counterpart(name: str, provider: str, other: str) -> None:
    assert counterpart(name, provider) == other


def test_the_longest_beginning_wins() -> None:
    instruct, turbo = find("gpt-3.5-turbo-instruct-0914"), find("gpt-3.5-turbo-16k")
    assert instruct is not None and instruct.kind == "completion"
    assert turbo is not None and turbo.kind == "chat"


def test_every_model_that_ends_has_a_counterpart_at_each_vendor() -> None:
    """Whoever loses a model shall find another: 2.8 and 4.9 of what was found out about the vendors."""
    ended = [
        name
        for vendor in catalogue().vendors.values()
        for name, facts in vendor.models.items()
        if facts.shut_down and facts.kind == "chat"
    ]
    assert len(ended) >= 20
    assert [(name, provider) for name in ended for provider in OURS if not counterpart(name, provider)] == []


def test_the_data_is_sound() -> None:
    """Dated; no name twice; and what stands in for served kinds is itself known, and not about to end."""
    as_of = counterparts().as_of
    date.fromisoformat(as_of)
    names = [name for entry in counterparts().entries for name in entry.names]
    assert sorted(set(names)) == sorted(names) and all(name == name.lower() for name in names)
    for entry in counterparts().entries:
        for provider, others in entry.to.items():
            assert others
            for other in others if entry.kind in SERVED else ():
                facts = model(provider, other)
                assert other in catalogue().vendors[provider].models, f"{provider}/{other}"
                assert not facts.shut_down or facts.shut_down > as_of, f"{provider}/{other} ends"
                assert entry.kind in {facts.kind, "completion"}, f"{provider}/{other}"
