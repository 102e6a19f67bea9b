"""What a vendor says of its rate limits, under the names that OpenAI's SDKs and applications read.

    anthropic-ratelimit-requests-remaining: 49             →  x-ratelimit-remaining-requests: 49
    anthropic-ratelimit-requests-reset: 2026-11-29T17:00Z  →  x-ratelimit-reset-requests: 12s

OpenAI, Azure and Qianfan have the names already; DashScope, BigModel and most servers say nothing.  The limits are
those of the gateway's own account there.
"""

import re
from datetime import datetime

from gapura.clock import SECOND, Clock, instant
from gapura.providers.base import Headers

OURS = re.compile(rb"x-ratelimit-(limit|remaining|reset)-(requests|tokens)")
ANTHROPIC = re.compile(rb"anthropic-ratelimit-(requests|tokens)-(limit|remaining|reset)")
# RateLimit headers of the IETF's draft (httpapi-ratelimit-headers-03): numbers, and seconds.
DRAFT = re.compile(rb"(?:x-)?ratelimit-(limit|remaining|reset)")

# As many has the number of seconds since 1970; no limit resets in thirty years.
EPOCH_DIGITS = 10

PLAIN = re.compile(rb"[!-~][ -~]{0,63}")


def limits(headers: Headers, clock: Clock) -> list[tuple[bytes, bytes]]:
    """In the order of the answer; nothing where the vendor says nothing, or nothing that can be meant."""
    found: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if b"ratelimit-" not in name or not PLAIN.fullmatch(value):
            continue
        if OURS.fullmatch(name):
            found.append((name, value))
        elif said := ANTHROPIC.fullmatch(name):
            found += _named(said[2], said[1], _left(value, clock) if said[2] == b"reset" else value)
        elif said := DRAFT.fullmatch(name):
            found += _named(said[1], b"requests", _wait(value, clock) if said[1] == b"reset" else value)
    return found


def _named(what: bytes, of: bytes, value: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"x-ratelimit-%b-%b" % (what, of), value)] if value else []


def _wait(value: bytes, clock: Clock) -> bytes:
    """Seconds, which some say as those since 1970."""
    if not value.isdigit():
        return b""
    seconds = int(value) - clock() // SECOND if len(value) >= EPOCH_DIGITS else int(value)
    return b"%ds" % max(seconds, 0)


def _left(value: bytes, clock: Clock) -> bytes:
    """The time until an instant (RFC 3339), as OpenAI says it: `12s`, `1m30s`."""
    try:
        seconds = max((instant(datetime.fromisoformat(value.decode().replace("Z", "+00:00"))) - clock()) // SECOND, 0)
    except (ValueError, TypeError, OverflowError):
        return b""
    minutes, rest = divmod(seconds, 60)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest
