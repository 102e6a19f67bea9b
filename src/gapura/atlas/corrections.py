"""What the operator knows better than any source: prefix → territory, with a reason, until a date.

They stand beside the place data, not in them, so an update of the data leaves them in force.  The longest prefix
wins; one that is over does not hold from its very instant on, and a wider one below it shows again.
"""

import sys
from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from pathlib import Path

import msgspec

from gapura.atlas.prefixes import Span, flat
from gapura.atlas.ranges import Ranges
from gapura.atlas.special import unwrap
from gapura.atlas.territories import CODES

SOURCE = "correction"
"""Under this name a correction stands in the evidence."""

FILE = "corrections.json"


class Correction(msgspec.Struct, frozen=True):
    """`prefix` is in `territory` (a code), or in that `subdivision` of it, until `ends` (UTC microseconds, 0: for
    good).  `owner` answers for it.  A prefix of private addresses gives them a place: an office behind a VPN, say."""

    prefix: str
    territory: str
    reason: str
    owner: str
    ends: int = 0
    subdivision: str = ""
    made_at: int = 0


class Corrections:
    """Made by `of`.  What holds is laid flat for the stretch of time that is asked about."""

    def __init__(self, entries: Sequence[tuple[int, Span, Correction]]) -> None:
        self._entries = entries
        self._since, self._until = 1, 0
        self._ranges = Ranges.of([], [])

    @classmethod
    def of(cls, corrections: Iterable[Correction], at: int) -> "Corrections":
        """Those that are not over at `at`; of two for one prefix the later one holds.  Raises ValueError."""
        return cls([(*_checked(one), one) for one in corrections if not _is_over(one, at)])

    def __bool__(self) -> bool:
        return bool(self._entries)

    def all(self) -> list[Correction]:
        return [correction for _, _, correction in self._entries]

    def find(self, packed: bytes, at: int) -> Correction | None:
        """The one that holds at `at` for an address of 4 or 16 bytes."""
        number = self.ranges(at).code(packed)
        return None if number is None else self._entries[int(number)][2]

    def ranges(self, at: int) -> Ranges:
        """Where those that hold at `at` begin and end; codes only tell one from another."""
        if not self._since <= at < self._until:
            four, six = (
                flat([[(span, str(n)) for n, (size, span, _) in self._holding(at) if size == family]], _nearer)
                for family in (4, 16)
            )
            self._ranges = Ranges.of(four, six)
            self._since, self._until = at, self.next_end(at) or sys.maxsize
        return self._ranges

    def next_end(self, at: int) -> int:
        """The first instant after `at` at which one of them is over; 0: never."""
        return min((one.ends for one in self.all() if one.ends > at), default=0)

    def _holding(self, at: int) -> list[tuple[int, tuple[int, Span, Correction]]]:
        return [(number, entry) for number, entry in enumerate(self._entries) if not _is_over(entry[2], at)]


def read(path: Path) -> list[Correction]:
    """Of a file that the keeper wrote; none where there is no file.  Raises ValueError for a damaged one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Correction])
    except FileNotFoundError:
        return []
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: {error}") from None


def dump(corrections: Iterable[Correction]) -> bytes:
    """What `read` reads."""
    return msgspec.json.format(msgspec.json.encode(list(corrections)), indent=1)


def _is_over(correction: Correction, at: int) -> bool:
    return 0 < correction.ends <= at


def _nearer(own: str, _wider: str) -> str:
    return own


def _checked(correction: Correction) -> tuple[int, Span]:
    """Bytes of an address, and the prefix."""
    name = f"the correction of {correction.prefix}"
    if correction.territory not in CODES:
        raise ValueError(f"{name}: {correction.territory!r} is no territory; write a code of ISO 3166-1, as SG")
    if correction.subdivision and not correction.subdivision.startswith(f"{correction.territory}-"):
        raise ValueError(f"{name}: {correction.subdivision} is no part of {correction.territory}")
    try:
        network = ip_network(correction.prefix)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    ends = [unwrap(address.packed) for address in (network.network_address, network.broadcast_address)]
    if {embedded for _, embedded in ends} in ({"nat64"}, {"6to4"}, {"teredo"}):
        raise ValueError(f"{name}: these are looked up as the IPv4 addresses in them; correct those")
    if {embedded for _, embedded in ends} == {"mapped"}:
        return 4, (int.from_bytes(ends[0][0]), int.from_bytes(ends[1][0]))
    size = len(network.network_address.packed)
    return size, (int(network.network_address), int(network.broadcast_address))
