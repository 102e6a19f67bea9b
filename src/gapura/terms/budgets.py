"""A budget: how much an organisation, an account or a key may use in all, a day, a month or a minute.

It gives nothing, it limits: everything that a request uses counts against each budget that applies to it.
"""

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gapura.clock import SECOND, instant

Window = Literal["total", "day", "month", "minute"]

REQUESTS = "requests"
TOKENS = "tokens"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` in each `window`: `tokens`, `requests` (a minute only), or billionths of a currency.

    Of the whole organisation; of one `account`; of one `key` of it.  `models`: patterns of models that it is about,
    as they are served; empty: all.  Days and months begin in `zone`.
    """

    id: str
    organisation: str
    amount: int
    unit: str = TOKENS
    window: Window = "total"
    zone: str = "UTC"
    account: str = ""
    key: str = ""
    models: tuple[str, ...] = ()
    created_at: int = 0

    @property
    def in_money(self) -> bool:
        return self.unit not in {TOKENS, REQUESTS}

    def applies(self, key: str, model: str) -> bool:
        """To a request with this key of an account that it is told to, served by this model."""
        return self.key in {"", key} and (not self.models or any(fnmatchcase(model, one) for one in self.models))

    def purse(self, at: int) -> str:
        """What gates borrow from at that time.  Of a minute, no ledger keeps a window."""
        if self.window == "minute":
            return f"{'rpm' if self.unit == REQUESTS else 'tpm'}:{self.id}"
        return f"bud:{self.id}:{span(self.window, self.zone, at).starts}"


class Span(NamedTuple):
    """`starts` ≤ now < `ends`, UTC microseconds; `ends` 0: never."""

    starts: int
    ends: int


@lru_cache(maxsize=256)
def _spans(window: Window, zone: str, hour: int) -> Span:
    """The window around the full hour `hour` (since 1970).  Zones begin their days within an hour in places, so the
    ends are looked at by `span`."""
    local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(zone))
    first = datetime(local.year, local.month, local.day if window == "day" else 1, tzinfo=ZoneInfo(zone))
    after = first + timedelta(days=1 if window == "day" else 32)
    if window == "month":
        after = after.replace(day=1)
    return Span(_instant(first), _instant(after))


def span(window: Window, zone: str, at: int) -> Span:
    """The window that `at` is in."""
    if window in {"total", "minute"}:
        return Span(0, 0)
    found = _spans(window, zone, at // (3600 * SECOND))
    return found if at < found.ends else _spans(window, zone, found.ends // (3600 * SECOND) + 1)


def _instant(local: datetime) -> int:
    return instant(local.astimezone(UTC))
