"""The world as shapes, to look at: what a report or a page draws its numbers on.

`data/world.json` is written by `tools/make_map.py`; another file of the same form may take its place.  Boundaries only
illustrate: where a place is, and whether it is covered, is decided from place data and lists alone.
"""

from functools import cache
from importlib.resources import files

import msgspec


class World(msgspec.Struct, frozen=True):
    """In a box `width` by `height` (y grows downwards): `shapes` and `land` (nobody's) as SVG path data, `dots` for
    territories too small for a shape.  Each code of `territories.CODES` has one or the other."""

    source: str
    width: int
    height: int
    shapes: dict[str, str]
    land: str
    dots: dict[str, tuple[int, int]]


@cache
def world() -> World:
    return msgspec.json.decode((files(__package__) / "data/world.json").read_bytes(), type=World)
