"""Writes the world map (src/gapura/atlas/data/world.json) from Natural Earth's shapes, as the npm package world-atlas
has them: `npm pack world-atlas@2.0.2`, unpacked.

    python tools/make_map.py package

Territories that the coarse shapes (1:110m) leave out are dots: where a finer file has them, else where AT says.  The
map shows; it never decides anything.
"""

import json
import math
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from gapura.atlas.territories import CODES, resolve

TARGET = Path(__file__).parents[1] / "src/gapura/atlas/data/world.json"
SOURCE = "Natural Earth 4.1.0, 1:110m (public domain), by world-atlas 2.0.2 (ISC)"
WIDTH = 10_000

# As Natural Earth shortens them.  Those with no code are drawn as land that is nobody's: boundaries only illustrate.
SHORTENED = {
    "Antigua and Barb.": "AG", "Bosnia and Herz.": "BA", "Br. Indian Ocean Ter.": "IO", "British Virgin Is.": "VG",
    "Cayman Is.": "KY", "Central African Rep.": "CF", "Cook Is.": "CK", "Dem. Rep. Congo": "CD",
    "Dominican Rep.": "DO", "Eq. Guinea": "GQ", "Faeroe Is.": "FO", "Falkland Is.": "FK", "Fr. Polynesia": "PF",
    "Fr. S. Antarctic Lands": "TF", "Heard I. and McDonald Is.": "HM", "Macedonia": "MK", "Marshall Is.": "MH",
    "N. Mariana Is.": "MP", "Pitcairn Is.": "PN", "S. Geo. and the Is.": "GS", "S. Sudan": "SS",
    "Solomon Is.": "SB", "St. Vin. and Gren.": "VC", "Turks and Caicos Is.": "TC", "U.S. Minor Outlying Is.": "UM",
    "U.S. Virgin Is.": "VI", "W. Sahara": "EH", "Wallis and Futuna Is.": "WF",
    "Akrotiri": "", "Ashmore and Cartier Is.": "", "Baikonur": "", "Bajo Nuevo Bank": "", "Clipperton I.": "",
    "Coral Sea Is.": "", "Cyprus U.N. Buffer Zone": "", "Dhekelia": "", "Indian Ocean Ter.": "", "N. Cyprus": "",
    "Scarborough Reef": "", "Serranilla Bank": "", "Siachen Glacier": "", "Somaliland": "", "Spratly Is.": "",
    "USNB Guantanamo Bay": "",
}  # fmt: skip

# Degrees east and north, rounded, of what the files count to another territory.
AT = {
    "BQ": (-68.3, 12.2), "BV": (3.4, -54.4), "CC": (96.8, -12.2), "CX": (105.6, -10.5), "GP": (-61.6, 16.3),
    "MQ": (-61.0, 14.7), "RE": (55.5, -21.1), "TK": (-171.8, -9.2), "YT": (45.2, -12.8),
}  # fmt: skip

EDGE, AMERICA, SVALBARD = 180, -40, 74  # degrees east, east, north

Point = tuple[float, float]
Ring = list[Point]


def code(name: str) -> str:
    return SHORTENED[name] if name in SHORTENED else resolve(name)


def shapes(file: Path) -> dict[str, list[Ring]]:
    """Code → outer and inner rings, in degrees."""
    told = json.loads(file.read_text())
    arcs = [list(unpacked(arc, told["transform"])) for arc in told["arcs"]]
    found: dict[str, list[Ring]] = {}
    for one in told["objects"]["countries"]["geometries"]:
        polygons = one["arcs"] if one["type"] == "MultiPolygon" else [one["arcs"]]
        rings = (joined(part, arcs) for polygon in polygons for part in polygon)
        for ring in (piece for whole in rings for piece in cut(whole)):
            found.setdefault(part_of(code(one["properties"]["name"]), ring), []).append(ring)
    return found


def unpacked(arc: list[list[int]], transform: dict[str, Any]) -> Iterator[Point]:
    """TopoJSON: each point is the distance from the one before, in steps of `scale`."""
    x = y = 0
    for dx, dy in arc:
        x, y = x + dx, y + dy
        yield (
            x * transform["scale"][0] + transform["translate"][0],
            y * transform["scale"][1] + transform["translate"][1],
        )


def joined(numbers: list[int], arcs: list[Ring]) -> Ring:
    """An arc with a negative number is walked backwards."""
    ring: Ring = []
    for number in numbers:
        ring += (arcs[number] if number >= 0 else arcs[~number][::-1])[bool(ring) :]
    return ring


def cut(ring: Ring) -> Iterator[Ring]:
    """The ring as it is, or in two where it crosses the edge of the map, at 180 degrees."""
    unrolled, turn = [ring[0]], 0
    for (before, _), (east, north) in pairwise(ring):
        turn += (before - east > EDGE) - (east - before > EDGE)
        unrolled.append((east + 2 * EDGE * turn, north))
    if max(east for east, _ in unrolled) <= EDGE and min(east for east, _ in unrolled) >= -EDGE:
        yield ring
        return
    for shift in (-2 * EDGE, 0, 2 * EDGE):
        piece = [(east + shift, north) for east, north in unrolled]
        for side in (1, -1):
            piece = clipped(piece, side)
        if piece:
            yield piece


def clipped(ring: Ring, side: int) -> Ring:
    """What of it is within the eastern (1) or western (-1) edge (Sutherland and Hodgman, one line)."""
    kept: Ring = []
    for one, other in pairwise([*ring, *ring[:1]]):
        inside, next_inside = side * one[0] <= EDGE, side * other[0] <= EDGE
        if inside:
            kept.append(one)
        if inside != next_inside:
            part = (side * EDGE - one[0]) / (other[0] - one[0])
            kept.append((side * EDGE, one[1] + part * (other[1] - one[1])))
    return kept


def part_of(territory: str, ring: Ring) -> str:
    """Natural Earth counts these to the whole; ISO 3166-1 gives them codes of their own."""
    east, north = middle(ring)
    if territory == "FR" and east < AMERICA:
        return "GF"
    return "SJ" if territory == "NO" and north > SVALBARD else territory


def middle(ring: Ring) -> Point:
    return sum(x for x, _ in ring) / len(ring), sum(y for _, y in ring) / len(ring)


def area(ring: Ring) -> float:
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise([*ring, ring[0]]))) / 2


def projected(point: Point) -> tuple[int, int]:
    """Equal Earth (Šavrič, Patterson and Jenny, 2018), in whole units of a map WIDTH units wide."""
    x, y = equal_earth(math.radians(point[0]), math.radians(point[1]))
    edge, top = equal_earth(math.pi, 0)[0], equal_earth(0, math.pi / 2)[1]
    scale = WIDTH / (2 * edge)
    return round((x + edge) * scale), round((top - y) * scale)


def equal_earth(east: float, north: float) -> Point:
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
    t = math.asin(math.sqrt(3) / 2 * math.sin(north))
    slope = 9 * a4 * t**8 + 7 * a3 * t**6 + 3 * a2 * t**2 + a1
    return (2 * math.sqrt(3) * east * math.cos(t)) / (3 * slope), a4 * t**9 + a3 * t**7 + a2 * t**3 + a1 * t


def path(rings: list[Ring]) -> str:
    """SVG's path data, relative and in whole units: a third of the size of decimals."""
    told = []
    for ring in rings:
        points = [projected(point) for point in ring]
        steps = " ".join(f"{x1 - x0} {y1 - y0}" for (x0, y0), (x1, y1) in pairwise(points) if (x0, y0) != (x1, y1))
        if steps:  # else it is a piece of the edge
            told.append(f"M{points[0][0]} {points[0][1]}l{steps}z")
    return "".join(told)


def main() -> None:
    folder = Path(sys.argv[1])
    coarse, fine, finest = (shapes(folder / f"countries-{scale}.json") for scale in ("110m", "50m", "10m"))
    nobodys = coarse.pop("", [])
    dots: dict[str, tuple[int, int]] = {}
    for territory in sorted(CODES - coarse.keys()):
        rings = fine.get(territory) or finest.get(territory)
        dots[territory] = projected(AT.get(territory) or middle(max(rings or [], key=area)))
    world = {
        "source": SOURCE,
        "width": WIDTH,
        "height": projected((0, -90))[1],
        "shapes": {territory: path(rings) for territory, rings in sorted(coarse.items())},
        "land": path(nobodys),
        "dots": dots,
    }
    TARGET.write_text(json.dumps(world, separators=(",", ":")) + "\n")
    print(f"{TARGET.name}: {len(coarse)} shapes, {len(dots)} dots, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
