"""The map that reports are drawn on."""

import re

from gapura.atlas.territories import CODES
from gapura.atlas.worldmap import world


def test_each_territory_is_there_once_and_within_the_map() -> None:
    told = world()
    assert told.shapes.keys() | told.dots.keys() == CODES
    assert not told.shapes.keys() & told.dots.keys()
    assert all(0 <= x <= told.width and 0 <= y <= told.height for x, y in told.dots.values())


def test_shapes_stay_within_the_map_and_none_goes_around_its_edge() -> None:
    told = world()
    for code, path in told.shapes.items():
        for start, steps in re.findall(r"M(\d+ \d+)l([-\d ]+)z", path):
            x, y = map(int, start.split())
            numbers = list(map(int, steps.split()))
            for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
                assert abs(dx) < told.width / 3 or code == "AQ", code
                x, y = x + dx, y + dy
                assert 0 <= x <= told.width and 0 <= y <= told.height, code


def test_neighbours_are_where_they_belong() -> None:
    dots = world().dots
    assert dots["HK"][0] > dots["SG"][0] > dots["MT"][0] > dots["BM"][0]
    assert dots["FO"][1] < dots["MT"][1] < dots["SG"][1] < dots["NF"][1]
