"""Many addresses at once, with the answers of `Atlas.locate`.

Every part that an answer depends on (a source, a list, a correction) is a partition of the addresses.  Laid over one
another they cut them into intervals, and two intervals with the same codes in every part have the same answer: so
each combination of codes is asked for once, live, and the rest is arrays.  IPv4 has a table by /24 (33 MB, one memory
access an address) and bisection for the few /24s that are cut; IPv6 is bisected by the upper 64 bits.  Where a /64 is
cut, where IPv4 is embedded, or where a part is no partition that we know (an .mmdb), the live look-up answers.

Needs numpy, of the extra `backtest`.
"""

from collections.abc import Iterable, Sequence
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

import numpy as np
from numpy.typing import NDArray

from gapura.atlas.proxies import Trust
from gapura.atlas.ranges import SHARED, Column
from gapura.atlas.sources import Atlas
from gapura.terms.place import Located

Four = NDArray[np.uint32]
Wide = NDArray[np.uint64]
Numbers = NDArray[np.uint32]

LIVE = 0xFFFF
"""In place of a number in the arrays: ask live, or bisect."""

_IPV6 = np.uint64(1 << 63)  # marks blocks of IPv6
# Upper halves, first and behind the last, of IPv6 that may carry IPv4: mapped, NAT64, Teredo, 6to4.
_WRAPPED = np.array([(0, 1), (0x64FF9B << 32, (0x64FF9B << 32) + 1), (0x20010000 << 32, 0x20010001 << 32),
                     (0x2002 << 48, 0x2003 << 48)], np.uint64)  # fmt: skip


class Batch:
    """Immutable but for what it learns: `places` grows, numbers keep their meaning."""

    def __init__(self, atlas: Atlas, trusted: Iterable[str] = ()) -> None:
        """`trusted`: networks of proxies, where addresses come as lists of hops."""
        self.places: list[Located] = []
        self._numbers: dict[Located, int] = {}
        self._atlas, self._trust = atlas, Trust(trusted)
        parts = atlas.partitions()
        self._direct = parts is not None
        if parts is not None:
            columns = [part.columns() for part in parts]
            self._four, self._four_at = self._intervals([one.four for one in columns], AF_INET)
            self._six, self._six_at = self._intervals([one.six for one in columns], AF_INET6)
            self._table = _by_24(self._four, self._four_at)

    def integers(self, addresses: Four) -> Numbers:
        """Of IPv4 addresses as integers, in their order: indices into `places`."""
        if not self._direct:
            texts = (inet_ntop(AF_INET, int(one).to_bytes(4)) for one in addresses)
            return np.fromiter((self._live(one) for one in texts), np.uint32, len(addresses))
        found = self._table[addresses >> np.uint32(8)]
        cut = np.flatnonzero(found == LIVE)
        numbers: Numbers = found.astype(np.uint32)
        if cut.size:
            at = np.searchsorted(self._four, addresses[cut], "right") - 1
            numbers[cut] = self._four_at[at]
        return numbers

    def texts(self, written: Sequence[str]) -> tuple[Numbers, Wide]:
        """Of addresses as logs write them: bare, with a port or brackets, or a list of hops, which is walked from
        the right over trusted proxies.  Indices into `places`, and the block of each: see `block`."""
        try:
            packed = b"".join([inet_pton(AF_INET, one) for one in written])
        except OSError:
            return self._mixed(written)
        four = np.frombuffer(packed, ">u4").astype(np.uint32)
        return self.integers(four), (four >> np.uint32(8)).astype(np.uint64)

    def _mixed(self, written: Sequence[str]) -> tuple[Numbers, Wide]:
        numbers, blocks = np.zeros(len(written), np.uint32), np.zeros(len(written), np.uint64)
        fours: list[bytes] = []
        sixes: list[bytes] = []
        at4: list[int] = []
        at6: list[int] = []
        for n, one in enumerate(written):
            packed = self._packed(one)
            if len(packed) == 4:  # noqa: PLR2004 - bytes of IPv4
                fours.append(packed)
                at4.append(n)
            elif packed:
                sixes.append(packed)
                at6.append(n)
            else:
                numbers[n] = self._live("")
        if fours:
            four = np.frombuffer(b"".join(fours), ">u4").astype(np.uint32)
            numbers[at4], blocks[at4] = self.integers(four), four >> np.uint32(8)
        if sixes:
            upper = np.frombuffer(b"".join(sixes), ">u8")[::2].astype(np.uint64)
            numbers[at6], blocks[at6] = self._wide(upper, sixes), upper >> np.uint64(16) | _IPV6
        return numbers, blocks

    def _packed(self, written: str) -> bytes:
        """4 or 16 bytes, b"" where there is no address."""
        try:
            return inet_pton(AF_INET6 if ":" in written else AF_INET, written)
        except (OSError, ValueError):
            pass  # not bare, or none
        address = ""
        for hop in reversed(written.split(",")):
            address, trusted = self._trust.hop(hop.partition("/")[0])
            if not trusted:
                break
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address) if address else b""

    def _wide(self, upper: Wide, packed: Sequence[bytes]) -> Numbers:
        if not self._direct:
            return np.fromiter((self._live(inet_ntop(AF_INET6, one)) for one in packed), np.uint32, len(packed))
        numbers: Numbers = self._six_at[np.searchsorted(self._six, upper, "right") - 1].astype(np.uint32)
        for n in np.flatnonzero(numbers == LIVE).tolist():
            numbers[n] = self._live(inet_ntop(AF_INET6, packed[n]))
        return numbers

    def _live(self, address: str) -> int:
        return self._number(self._atlas.locate(address))

    def _number(self, place: Located) -> int:
        number = self._numbers.setdefault(place, len(self.places))
        if number == len(self.places):
            self.places.append(place)
        return number

    def _intervals(self, columns: Sequence[Column], family: int) -> tuple[Wide, NDArray[np.uint16]]:
        """Where intervals start (IPv6: upper 64 bits), and the number of each one's place, or LIVE."""
        kind = np.uint32 if family == AF_INET else np.uint64
        boundaries = [np.frombuffer(column.starts, kind) for column in columns]
        if family == AF_INET6:
            boundaries.append(_WRAPPED.reshape(-1))
        starts = np.unique(np.concatenate(boundaries))
        codes = np.empty((len(columns), len(starts)), np.uint16)
        for row, column, bounds in zip(codes, columns, boundaries, strict=False):
            row[:] = np.frombuffer(column.codes, np.uint16)[np.searchsorted(bounds, starts, "right") - 1]
        if family == AF_INET6:
            for first, behind in _WRAPPED:
                codes[:, (starts >= first) & (starts < behind)] = SHARED
        _, first_of, which = np.unique(codes, axis=1, return_index=True, return_inverse=True)
        texts = (_written(int(starts[n]), family) for n in first_of)
        answers = [LIVE if SHARED in codes[:, n] else self._live(text) for n, text in zip(first_of, texts, strict=True)]
        if len(self.places) >= LIVE:
            raise ValueError(f"{len(self.places)} different answers are more than a table holds")
        numbers = np.array(answers, np.uint16)[which.reshape(-1)]
        changes = np.concatenate(([True], numbers[1:] != numbers[:-1]))
        return starts[changes], numbers[changes]


def block(number: int) -> str:
    """The /24 or /48 that `texts` gave as a number; "" for 0, where there was no address."""
    if number >> 63:
        return f"{inet_ntop(AF_INET6, (number & (1 << 48) - 1).to_bytes(6) + bytes(10))}/48"
    return f"{inet_ntop(AF_INET, (number << 8).to_bytes(4))}/24" if number else ""


def _by_24(starts: Wide, numbers: NDArray[np.uint16]) -> NDArray[np.uint16]:
    firsts = (starts.astype(np.uint64) + np.uint64(255)) >> np.uint64(8)  # the first /24 that starts within
    lengths = np.diff(np.append(firsts, np.uint64(1 << 24))).astype(np.int64)
    table = np.repeat(numbers, lengths)
    table[starts[starts & 255 != 0] >> 8] = LIVE
    return table


def _written(start: int, family: int) -> str:
    return (
        inet_ntop(AF_INET, start.to_bytes(4))
        if family == AF_INET
        else inet_ntop(AF_INET6, start.to_bytes(8) + bytes(8))
    )
