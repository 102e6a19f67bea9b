"""The time, as an argument.

A clock is a function without arguments that returns UTC microseconds since 1970.  Everything that needs the
time takes one, so that a campaign of sixty days or a phase that begins at midnight is tested in a millisecond.

    >>> clock = TurnableClock(instant("2024-07-08T23:59:00+00:00"))
    >>> clock.turn(seconds=60)
    >>> text(clock())
    '2024-07-09T00:00:00Z'
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], int]

SECOND = 1_000_000


def system_clock() -> int:
    """UTC microseconds by the machine's clock."""
    return time.time_ns() // 1000


class TurnableClock:
    """A clock that moves only when told to; shipped, so that embedders can test with it."""

    def __init__(self, start: int) -> None:
        self._now = start

    def __call__(self) -> int:
        return self._now

    def turn(self, *, seconds: float = 0, days: float = 0) -> None:
        self._now += int((seconds + days * 86_400) * SECOND)


def instant(stamp: str | datetime) -> int:
    """Microseconds of an RFC 3339 stamp.  Raises ValueError without an offset: a bare date is no instant."""
    try:
        when = datetime.fromisoformat(stamp) if isinstance(stamp, str) else stamp
    except ValueError:
        raise ValueError(f"{stamp!r} is no instant; write e.g. 2024-07-09T00:00:00+08:00") from None
    if when.tzinfo is None:
        raise ValueError(f"{stamp} has no offset; write e.g. 2024-07-09T00:00:00+08:00")
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def text(at: int) -> str:
    """RFC 3339 in UTC, with as many decimals as are needed."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")
