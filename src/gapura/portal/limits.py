"""How often a page may be asked for, an objection made, or a key tried: counted in this process, by whoever asks."""

import ipaddress
from typing import NamedTuple

from gapura.clock import SECOND, Clock
from gapura.errors import LimitReached

MOST_COUNTED = 50_000


class Limit(NamedTuple):
    """So many within so many seconds."""

    name: str
    most: int
    seconds: int


PAGES = Limit("pages", 120, 60)
KEYS = Limit("keys", 10, 300)
OBJECTIONS = Limit("objections", 10, 3600)


class Counts:
    """What was counted in the windows that run.  Whoever fills it up makes it forget, and so is counted anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str, int], int] = {}

    def take(self, limit: Limit, who: str) -> None:
        """Raises LimitReached, with the seconds until the next window."""
        at = self._clock() // SECOND
        window = at // limit.seconds
        if len(self._counts) >= MOST_COUNTED:
            self._counts.clear()
        count = self._counts[limit.name, who, window] = self._counts.get((limit.name, who, window), 0) + 1
        if count > limit.most:
            wait = (window + 1) * limit.seconds - at
            raise LimitReached("this was too often", retry_after=wait)


def neighbour(address: str) -> str:
    """By what an address is counted: of IPv6 a customer has at least a /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else address  # noqa: PLR2004 - IPv6
