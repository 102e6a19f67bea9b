"""Address ranges and their codes: packed small, searched fast.

A family is a column of boundaries in an `array` and, beside it, one of numbers into `names`: a boundary says which
code holds from there on.  IPv6 is cut at /64: the column holds upper halves, and the few of them that several
ranges share are searched once more, by the lower half.  660,000 ranges take 6 MB and a look-up 1 µs; every gate
holds its own copy, so nothing heavier (numpy, a tree of objects) would do.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby, pairwise
from operator import itemgetter
from typing import NamedTuple, Self

import msgspec

Row = tuple[int, int, str]
"""First address, last address, code."""

_IPV4_BYTES = 4
SHARED = 0xFFFF
"""In place of a code: look in `shared`."""


class Column(NamedTuple):
    starts: "array[int]"
    codes: "array[int]"


class Columns(NamedTuple):
    """The arrays themselves, for whoever looks up many at once; not to be changed.

    `names[code]` is what a code of a column stands for, None where no range is.  `four` holds IPv4 boundaries, `six`
    the upper halves of IPv6 ones; where a code of `six` is `SHARED`, several ranges share that upper half, and
    `shared[half]` holds the boundaries of the lower halves."""

    names: tuple[str | None, ...]
    four: Column
    six: Column
    shared: dict[int, Column]


class _File(msgspec.Struct, frozen=True, array_like=True):
    """What `dump` writes, in msgpack; numbers are little-endian.  `four` and `six` hold the distances between
    boundaries, because they compress a seventh better."""

    names: tuple[str, ...]
    four: tuple[bytes, bytes]
    six: tuple[bytes, bytes]
    shared: dict[int, tuple[bytes, bytes]]


class Ranges:
    """Immutable; made by `of` or `parse`."""

    def __init__(self, names: Sequence[str | None], four: Column, six: Column, shared: dict[int, Column]) -> None:
        self._names, self._four, self._six, self._shared = names, four, six, shared

    def code(self, address: bytes) -> str | None:
        """The code of an address (4 or 16 bytes, as of `inet_pton`), None where no range holds it."""
        if len(address) == _IPV4_BYTES:
            starts, codes = self._four
            return self._names[codes[bisect_right(starts, int.from_bytes(address)) - 1]]
        upper = int.from_bytes(address[:8])
        starts, codes = self._six
        code = codes[bisect_right(starts, upper) - 1]
        if code == SHARED:
            starts, codes = self._shared[upper]
            code = codes[bisect_right(starts, int.from_bytes(address[8:])) - 1]
        return self._names[code]

    def columns(self) -> Columns:
        return Columns(tuple(self._names), self._four, self._six, self._shared)

    @classmethod
    def of(cls, four: Iterable[Row], six: Iterable[Row]) -> Self:
        """Raises ValueError unless each family is in order and without overlap, or for more than 65,534 codes."""
        numbers: dict[str | None, int] = {None: 0}
        steps4, steps6 = (
            [(start, numbers.setdefault(code, len(numbers))) for start, code in _steps(rows, bits)]
            for rows, bits in ((four, 32), (six, 128))
        )
        if len(numbers) > SHARED:
            raise ValueError(f"{len(numbers)} different codes; ranges hold {SHARED - 1}")
        upper, shared = _split(steps6)
        lower = {half: _column("Q", steps) for half, steps in shared.items()}
        return cls(tuple(numbers), _column("I", steps4), _column("Q", upper), lower)

    def dump(self) -> bytes:
        four, six = ((_distances(x.starts), _bytes(x.codes)) for x in (self._four, self._six))
        shared = {half: (_bytes(x.starts), _bytes(x.codes)) for half, x in self._shared.items()}
        names = tuple(name for name in self._names if name is not None)
        return msgspec.msgpack.encode(_File(names, four, six, shared))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises msgspec.MsgspecError for what `dump` did not write."""
        file = msgspec.msgpack.decode(data, type=_File)
        four, six = (
            Column(array(kind, accumulate(_array(kind, distances))), _array("H", codes))
            for kind, (distances, codes) in (("I", file.four), ("Q", file.six))
        )
        shared = {half: Column(_array("Q", x), _array("H", codes)) for half, (x, codes) in file.shared.items()}
        return cls((None, *file.names), four, six, shared)


def _steps(rows: Iterable[Row], bits: int) -> list[tuple[int, str | None]]:
    """Boundaries from 0 on, with the gaps between rows."""
    steps: list[tuple[int, str | None]] = [(0, None)]
    for first, last, code in rows:
        if not steps[-1][0] <= first <= last < 1 << bits:
            raise ValueError(f"the range {first:x}-{last:x} ({code}) is out of order or too large")
        if steps[-1][0] == first:
            steps.pop()
        steps += (first, code), (last + 1, None)
    return [step for step in steps if step[0] < 1 << bits]


def _split(steps: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], dict[int, list[tuple[int, int]]]]:
    """Boundaries of 128 bits → those of the upper halves, and those within the halves that are shared."""
    upper: list[tuple[int, int]] = []
    shared: dict[int, list[tuple[int, int]]] = {}
    code = 0
    after_shared = -1
    for half, group in groupby(steps, key=lambda step: step[0] >> 64):
        within = [(start & (1 << 64) - 1, number) for start, number in group]
        if half > after_shared >= 0:
            upper.append((after_shared, code))
        if within[0][0] > 0:
            within.insert(0, (0, code))
        code = within[-1][1]
        if len(within) == 1:
            upper.append((half, code))
            after_shared = -1
        else:
            upper.append((half, SHARED))
            shared[half] = within
            after_shared = half + 1
    if 0 <= after_shared < 1 << 64:
        upper.append((after_shared, code))
    return upper, shared


def _column(kind: str, steps: list[tuple[int, int]]) -> Column:
    return Column(array(kind, map(itemgetter(0), steps)), array("H", map(itemgetter(1), steps)))


def _distances(starts: "array[int]") -> bytes:
    return _bytes(array(starts.typecode, [starts[0], *(after - before for before, after in pairwise(starts))]))


def _bytes(numbers: "array[int]") -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _array(kind: str, data: bytes) -> "array[int]":
    numbers = array(kind, data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
