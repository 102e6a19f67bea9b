"""Rate limits as vendors say them, under OpenAI's names."""

import pytest

from gapura.clock import TurnableClock, instant
from gapura.providers.limits import limits

NOON = TurnableClock(instant("2026-11-29T12:00:00+00:00"))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (b"x-ratelimit-remaining-tokens", b"149984", (b"x-ratelimit-remaining-tokens", b"149984")),
        (b"x-ratelimit-reset-requests", b"6m0s", (b"x-ratelimit-reset-requests", b"6m0s")),
        (b"anthropic-ratelimit-requests-limit", b"50", (b"x-ratelimit-limit-requests", b"50")),
        (b"anthropic-ratelimit-tokens-remaining", b"70", (b"x-ratelimit-remaining-tokens", b"70")),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-29T12:00:12Z", (b"x-ratelimit-reset-requests", b"12s")),
        (b"anthropic-ratelimit-tokens-reset", b"2026-11-29T12:01:30Z", (b"x-ratelimit-reset-tokens", b"1m30s")),
        (b"anthropic-ratelimit-tokens-reset", b"2026-11-29T11:00:00Z", (b"x-ratelimit-reset-tokens", b"0s")),
        (b"ratelimit-remaining", b"3", (b"x-ratelimit-remaining-requests", b"3")),
        (b"x-ratelimit-reset", b"9", (b"x-ratelimit-reset-requests", b"9s")),
        (b"x-ratelimit-reset", b"1795953630", (b"x-ratelimit-reset-requests", b"30s")),
    ],
)
def test_it_is_told(name: bytes, value: bytes, told: tuple[bytes, bytes]) -> None:
    assert limits([(b"date", b"x"), (name, value)], NOON) == [told]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"anthropic-ratelimit-requests-reset", b"soon"),
        (b"anthropic-ratelimit-input-tokens-limit", b"5"),
        (b"x-ratelimit-limit-requests", b"1\r\nset-cookie: a=b"),
        (b"x-ratelimit-limit-requests", b"9" * 500),
        (b"x-ratelimit-limit-requests", b""),
        (b"x-ratelimit-bucket", b"a"),
        (b"x-ratelimit-reset", b"soon"),
        (b"content-type", b"ratelimit-"),
    ],
)
def test_what_cannot_be_meant_is_not(name: bytes, value: bytes) -> None:
    assert limits([(name, value)], NOON) == []
