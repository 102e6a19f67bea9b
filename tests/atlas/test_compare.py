"""How many addresses move from where to where: counted, against a count by hand and one by one."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.atlas.mmdb_writer import mmdb
from tests.atlas.place_data import ranges

from gapura.atlas import compare
from gapura.atlas.compare import Comparison, Moved, objections
from gapura.atlas.mmdb import open_file
from gapura.atlas.ranges import Ranges

BEFORE = {"1.0.0.0/24": "AU", "2.0.0.0/24": "CN", "3.0.0.0/24": "HK", "2a00::/32": "SG", "2b00::/48": "TW"}


def test_each_pair_of_territories_is_counted() -> None:
    after = {"1.0.0.0/24": "AU", "2.0.0.0/25": "SG", "2.0.0.128/25": "CN", "2a00::/32": "CN", "4.0.0.0/23": "JP"}
    found = compare.ranges(ranges(BEFORE), ranges(after))
    assert found == Comparison(
        exact=True,
        ipv4=(768, 1024),
        ipv6=(65_537, 65_536),
        moved=(
            Moved("", "JP", 512, 0),
            Moved("HK", "", 256, 0),
            Moved("CN", "SG", 128, 0),
            Moved("SG", "CN", 0, 65_536),
            Moved("TW", "", 0, 1),
        ),
        vanished=("HK", "TW"),
        appeared=("JP",),
    )


def test_nothing_moves_between_the_same_data() -> None:
    found = compare.ranges(ranges(BEFORE), ranges(BEFORE))
    assert (found.moved, found.vanished, found.appeared) == ((), (), ())


codes = st.sampled_from(["AU", "CN", "SG"])
cuts = st.lists(st.tuples(st.integers(0, 63), codes), max_size=6).map(dict)


def built(cuts: dict[int, str]) -> Ranges:
    """Of the first 64 addresses; from the last boundary on to the 64th."""
    starts = sorted(cuts)
    ends = [*starts[1:], 64]
    return Ranges.of([(start, end - 1, cuts[start]) for start, end in zip(starts, ends, strict=False)], [])


@given(cuts, cuts)
def test_the_count_is_that_of_asking_for_every_address(one: dict[int, str], two: dict[int, str]) -> None:
    before, after = built(one), built(two)
    asked = [(before.code(n.to_bytes(4)) or "", after.code(n.to_bytes(4)) or "") for n in range(64)]
    found = compare.ranges(before, after)
    assert {(move.before, move.after): move.ipv4 for move in found.moved} == {
        pair: asked.count(pair) for pair in asked if pair[0] != pair[1]
    }


def test_a_half_that_ranges_share_goes_with_its_first() -> None:
    def shared(code: str) -> Ranges:
        first = int(ip_address("2a00::"))
        return Ranges.of([], [(first, first + 9, code), (first + 10, (first | (1 << 64) - 1), "XX")])

    assert compare.ranges(shared("SG"), shared("HK")).moved == (Moved("SG", "HK", 0, 1),)


def test_files_are_sampled_and_the_sample_is_the_same_each_time(tmp_path: Path) -> None:
    def source(name: str, far: str) -> object:
        path = tmp_path / name
        rows = {"0.0.0.0/1": {"country": {"iso_code": "SG"}}, "128.0.0.0/1": {"country": {"iso_code": far}}}
        path.write_bytes(mmdb(rows))
        return open_file(path)

    known = ranges(BEFORE)
    one, two = source("one.mmdb", "US"), source("two.mmdb", "CA")
    found = compare.sources(one, two, known)  # type: ignore[arg-type]  # a helper that says less than it knows
    assert not found.exact and found == compare.sources(one, two, known)  # type: ignore[arg-type]  # likewise
    (moved,) = found.moved
    assert (moved.before, moved.after, moved.ipv6) == ("US", "CA", 0)
    assert 0.3 < moved.ipv4 / found.ipv4[0] < 0.6 and found.vanished == ("US",)


def counted(ipv4: tuple[int, int], *moved: Moved, vanished: tuple[str, ...] = ()) -> Comparison:
    return Comparison(exact=True, ipv4=ipv4, ipv6=(0, 0), moved=moved, vanished=vanished)


@pytest.mark.parametrize(
    ("found", "as_of", "checks"),
    [
        (counted((1000, 1000)), "2026-06-25", []),
        (counted((1000, 950)), "2026-07-01", []),
        (counted((1000, 949)), "2026-07-01", ["shrinks"]),
        (counted((1000, 1000), Moved("CN", "SG", 50, 0)), "2026-07-01", []),
        (counted((1000, 1000), Moved("CN", "SG", 51, 0)), "2026-07-01", ["moves"]),
        (counted((1000, 1100), Moved("", "SG", 100, 0)), "2026-07-01", []),
        (counted((1000, 1000), vanished=("VA",)), "2026-07-01", ["vanishes"]),
        (counted((1000, 1000)), "2026-06-24", ["older"]),
        (counted((0, 0)), "2026-07-01", []),
    ],
)
def test_bounds(found: Comparison, as_of: str, checks: list[str]) -> None:
    told = objections(found, former_as_of="2026-06-25", as_of=as_of)
    assert [one.check for one in told] == checks


def test_a_prefix_counts_as_many_addresses_as_it_has() -> None:
    for prefix in ("5.0.0.0/8", "5.6.7.8/32"):
        (moved,) = compare.ranges(ranges({}), ranges({prefix: "FR"})).moved
        assert moved.ipv4 == ip_network(prefix).num_addresses
