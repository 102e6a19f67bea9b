"""The shipped data against an independent reading of the text that they were built from."""

import random
from bisect import bisect_right
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

import numpy as np
import pytest
from tests.atlas.test_special import BLOCKS

from gapura.atlas import sources
from gapura.atlas.batch import Batch
from gapura.atlas.territories import CODES
from gapura.terms.place import Located

DEBIAN = Path("/usr/share/tor")
FAMILIES = pytest.mark.parametrize(("name", "size"), [("geoip", 4), ("geoip6", 16)])
RANDOM = 100_000  # of each family
MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"

pytestmark = pytest.mark.skipif(not (DEBIAN / "geoip6").is_file(), reason="Debian's tor-geoipdb is not installed")


class Text(NamedTuple):
    """Of each line its first and last address, and its code."""

    firsts: list[int]
    lasts: list[int]
    codes: list[str]

    def told(self, number: int) -> str:
        at = bisect_right(self.firsts, number) - 1
        return self.codes[at] if at >= 0 and number <= self.lasts[at] else ""


@cache
def text(name: str) -> Text:
    content = (DEBIAN / name).read_text()
    when = content[:2000].partition("Generated:")[2].split("\n")[0]
    year, month, day = sources.read(sources.package())[1].as_of.split("-")
    if f"{int(day):02} {MONTHS[3 * int(month) - 3 :][:3]} {year}" not in when:
        pytest.skip(f"tor-geoipdb is of {when.strip()}, the package of {year}-{month}-{day}")
    lines = [line.split(",") for line in content.splitlines() if line and not line.startswith("#")]
    read = (lambda x: int.from_bytes(inet_pton(AF_INET6, x))) if name == "geoip6" else int
    return Text([read(a) for a, _, _ in lines], [read(b) for _, b, _ in lines], [code for _, _, code in lines])


def edges(table: Text, size: int) -> list[int]:
    found = {end + by for ends in (table.firsts, table.lasts) for end in ends for by in (-1, 0, 1)}
    return [number for number in found if 0 <= number < 1 << 8 * size]


def written(number: int, size: int) -> str:
    return inet_ntop(AF_INET if size == 4 else AF_INET6, number.to_bytes(size))


BLOCKED = {size: [block for block in map(ip_network, BLOCKS) if block.max_prefixlen == 8 * size] for size in (4, 16)}


def expected(address: IPv4Address | IPv6Address) -> tuple[str, str]:
    """Certainty, and the code that the text has, by the standard library's idea of what is embedded in what."""
    if isinstance(address, IPv6Address):
        teredo = address.teredo and address.teredo[1]
        if inner := address.ipv4_mapped or address.sixtofour or teredo:
            return expected(inner)
    size = len(address.packed)
    if any(address in block for block in BLOCKED[size]):
        return "absent", ""
    code = text("geoip" if size == 4 else "geoip6").told(int(address))
    known = {"UK": "GB"}.get(code, code) in CODES
    return ("certain" if known else "uncertain" if code else "unknown"), code


def agrees(found: Located, address: str) -> bool:
    return (found.certainty, "".join(answer.code for answer in found.answers)) == expected(ip_address(address))


@FAMILIES
def test_every_edge_of_every_range_and_its_neighbours_by_batch(name: str, size: int) -> None:
    table, batch = text(name), Batch(sources.load())
    assert len(table.firsts) == sources.read(sources.package())[1].counts["ipv4" if size == 4 else "ipv6"]
    numbers = edges(table, size)
    if size == 4:
        at = batch.integers(np.array(numbers, np.uint32))
    else:
        at, _ = batch.texts([written(number, size) for number in numbers])
    wrong = []
    for number, place in zip(numbers, map(batch.places.__getitem__, at.tolist()), strict=True):
        plain = place.kind == "public" and not place.embedded
        if place.answers[0].code != table.told(number) if plain else not agrees(place, written(number, size)):
            wrong.append((written(number, size), place))
    assert wrong == []


@FAMILIES
def test_random_addresses_asked_live(name: str, size: int) -> None:
    """Half of them anywhere, half within ranges."""
    atlas, table = sources.load(), text(name)
    dice = random.Random(20260625)
    numbers = [dice.getrandbits(8 * size) for _ in range(RANDOM // 2)]
    chosen = dice.choices(range(len(table.firsts)), k=RANDOM // 2)
    numbers += [dice.randint(table.firsts[at], table.lasts[at]) for at in chosen]
    wrong = []
    for number in numbers:
        address = written(number, size)
        found = atlas.locate(address)
        if not agrees(found, address):
            wrong.append((address, found))
    assert wrong == []
