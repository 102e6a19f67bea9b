"""Where a customer is, by all its visits."""

from typing import Literal, NamedTuple

import msgspec

State = Literal["unseen", "covered", "counting", "outside"]
"""unseen: no certain visit · covered: last seen from a covered place · counting: only from outside since then, not
yet often or long enough · outside: often or long enough."""


class Visit(NamedTuple):
    """An account was seen from a territory on a day (days since 1970, UTC); `requests` of them."""

    day: int
    territory: str
    requests: int


class Residence(msgspec.Struct, frozen=True, kw_only=True):
    """The answer with its evidence.  `since` and `last` are days of the visits that count (-1: none), `days` how many
    distinct ones, `territories` → days seen there; `reset`: the last visit from a covered place, and which."""

    state: State
    days: int = 0
    since: int = -1
    last: int = -1
    territories: dict[str, int] = {}
    reset: tuple[int, str] | None = None
