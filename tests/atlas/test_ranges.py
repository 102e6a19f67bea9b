"""Against a model."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas.ranges import SHARED, Ranges, Row

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


def test_columns_are_what_is_looked_up_in() -> None:
    made = Ranges.of([(5, 9, "CN")], [(HALF, 2 * HALF - 1, "HK"), (3 * HALF + 7, 3 * HALF + 7, "SG")])
    names, four, six, shared = made.columns()
    assert [(start, names[code]) for start, code in zip(*four, strict=True)] == [(0, None), (5, "CN"), (10, None)]
    assert list(six.starts) == [0, 1, 2, 3, 4] and six.codes[3] == SHARED
    assert [(start, names[code]) for start, code in zip(*shared[3], strict=True)] == [(0, None), (7, "SG"), (8, None)]


def test_more_codes_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="65537 different codes"):
        Ranges.of([(n, n, str(n)) for n in range(65_536)], [])
