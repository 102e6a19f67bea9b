"""One hash over many things, and for each of them a short proof that it is among them (as RFC 6962, 2.1, does it).

Leaves and inner nodes are hashed apart, so that nobody can pass off one as the other; an odd one out moves up as it is.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple


class Beside(NamedTuple):
    """A hash on the way up, in hexadecimal, and whether it stands to the left."""

    hash: str
    left: bool


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Of at least one leaf."""
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path(leaves: Sequence[bytes], place: int) -> list[Beside]:
    """What leads from the leaf at `place` to the root."""
    found, level = [], list(leaves)
    while len(level) > 1:
        other = place ^ 1
        if other < len(level):
            found.append(Beside(level[other].hex(), other < place))
        level, place = _above(level), place // 2
    return found


def climbed(start: bytes, way: Sequence[Beside]) -> bytes:
    """The root that a leaf and its path lead to.  Raises ValueError for what is no hash."""
    for beside in way:
        other = bytes.fromhex(beside.hash)
        start = _node(other, start) if beside.left else _node(start, other)
    return start


def _above(level: list[bytes]) -> list[bytes]:
    pairs = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
