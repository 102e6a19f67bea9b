"""Against a model, and against the text from which the shipped data were built."""

import os
import random
from bisect import bisect_right
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas import sources
from gapura.atlas.ranges import Ranges, Row

DEBIAN = Path("/usr/share/tor")
HALF = 1 << 64


def cuts(bits: int) -> st.SearchStrategy[list[int]]:
    """Edges that gather around /64 boundaries, where IPv6 look-ups are cut in two."""
    lower = st.sampled_from([0, 1, 2, HALF // 2, HALF - 2, HALF - 1])
    upper = st.sampled_from([0, 1, 2, 3, HALF - 2, HALF - 1])
    wide = st.builds(lambda u, x: u * HALF + x, upper, lower)
    narrow = st.integers(0, 40) | st.integers(2**32 - 40, 2**32 - 1)
    return st.lists(narrow if bits == 32 else wide, max_size=14, unique=True).map(sorted)


def rows(bits: int) -> st.SearchStrategy[list[Row]]:
    def paired(edges: list[int], codes: list[str]) -> list[Row]:
        return [(a, b, code) for (a, b), code in zip(zip(edges[::2], edges[1::2], strict=False), codes, strict=False)]

    codes = st.lists(st.sampled_from(["CN", "HK", "??"]), min_size=7, max_size=7)
    touching = st.builds(lambda edges: [x for e in edges for x in (e, e + 1)][1:-1], cuts(bits))
    inside = touching.map(lambda edges: [e for e in edges if e < 1 << bits])
    return st.builds(paired, cuts(bits) | inside.filter(lambda edges: len(set(edges)) == len(edges)), codes)


def expected(table: list[Row], number: int) -> str | None:
    return next((code for first, last, code in table if first <= number <= last), None)


@given(rows(32), rows(128))
def test_look_ups_agree_with_a_walk_through_the_rows(four: list[Row], six: list[Row]) -> None:
    made = Ranges.of(four, six)
    for ranges in (made, Ranges.parse(made.dump())):
        for table, size in ((four, 4), (six, 16)):
            ends = {end + step for first, last, _ in table for end in (first, last) for step in (-1, 0, 1)}
            for number in {0, (1 << 8 * size) - 1, *ends}:
                if 0 <= number < 1 << 8 * size:
                    assert ranges.code(number.to_bytes(size)) == expected(table, number), hex(number)


@pytest.mark.parametrize(
    "four", [[(5, 9, "A"), (9, 12, "B")], [(9, 12, "A"), (5, 6, "B")], [(5, 4, "A")], [(0, 1 << 32, "A")]]
)
def test_rows_out_of_order_are_refused(four: list[Row]) -> None:
    with pytest.raises(ValueError, match="out of order"):
        Ranges.of(four, [])


def test_foreign_bytes_are_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Ranges.parse(b"\x93\x01\x02\x03")


def debian(name: str) -> Iterator[Row]:
    """An independent reading of the source text."""
    for line in (DEBIAN / name).read_text().splitlines():
        if line[:1] not in ("#", ""):
            a, b, code = line.split(",")
            yield (int(IPv6Address(a)), int(IPv6Address(b)), code) if ":" in a else (int(a), int(b), code)


@pytest.mark.skipif(not (DEBIAN / "geoip6").is_file(), reason="Debian's tor-geoipdb is not installed")
@pytest.mark.parametrize(("name", "size"), [("geoip", 4), ("geoip6", 16)])
def test_the_shipped_data_agree_with_their_source(name: str, size: int) -> None:
    """Every 37th range, all with GAPURA_TEST_ALL_RANGES=1: each end and its neighbours; and random addresses."""
    meta = msgspec.json.decode((sources.package() / "meta.json").read_bytes(), type=sources.Meta)
    ranges, _ = sources.read(sources.package())
    with (DEBIAN / name).open() as file:
        header = file.read(2000)
    when = header.partition("Generated:")[2].split("\n")[0]
    year, month, day = meta.as_of.split("-")
    if f"{int(day):02} {'JanFebMarAprMayJunJulAugSepOctNovDec'[3 * int(month) - 3 :][:3]} {year}" not in when:
        pytest.skip(f"tor-geoipdb is of {when.strip()}, the package of {meta.as_of}")

    table = list(debian(name))
    assert len(table) == meta.counts["ipv4" if size == 4 else "ipv6"]
    starts = [first for first, _, _ in table]

    def told(number: int) -> str | None:
        at = bisect_right(starts, number) - 1
        return table[at][2] if at >= 0 and number <= table[at][1] else None

    dice = random.Random(20260625)
    step = 1 if os.environ.get("GAPURA_TEST_ALL_RANGES") else 37
    numbers = [end + by for row in table[::step] for end in row[:2] for by in (-1, 0, 1)]
    numbers += [dice.getrandbits(8 * size) for _ in range(25_000)]
    numbers += [dice.randint(first, last) for first, last, _ in dice.choices(table, k=25_000)]
    address = IPv4Address if size == 4 else IPv6Address
    wrong = [str(address(n)) for n in numbers if 0 <= n < 1 << 8 * size and ranges.code(n.to_bytes(size)) != told(n)]
    assert wrong == []
