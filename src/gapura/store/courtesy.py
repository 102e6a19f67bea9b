"""Long work in short pieces.  A gate may share its core with the keeper, and a scheduler lets whoever runs go on for
milliseconds: ten requests' time.  So the keeper offers its place after each piece; nobody waiting, it goes on at once.

Who offers it while all cores are busy loses its turn each time, so whoever is late must not (`HASTE`).
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

# Requests, of which each takes some 10 µs of what is done here; and everything in one piece.
PIECE = 16
HASTE = 1 << 30

give_way = getattr(os, "sched_yield", lambda: None)  # not every system has it


def in_turns(items: Iterable[T], size: int = PIECE) -> Iterator[list[T]]:
    """The items in lists of `size`, others let run after each but the last.

    >>> list(in_turns("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece
        if len(piece) == size:
            give_way()
