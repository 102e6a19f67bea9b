"""Where a customer is: exclusively, often enough or long enough, and one visit from elsewhere begins anew."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.rulebook.residence import MONTH, residence, turns_on
from gapura.terms.residence import Residence, Visit

COVERED = frozenset({"SG", "FR"})
OUTSIDE = ("CN", "HK", "MO")


def told(*visits: tuple[int, str], today: int = 20_000, days: int = 5, months: int = 6) -> Residence:
    given = [Visit(day, territory, 3) for day, territory in visits]
    return residence(given, COVERED.__contains__, enough_days=days, enough_months=months, today=today)


CASES = [
    ("nobody came", [], "unseen", 0),
    ("four days", [(day, "CN") for day in range(19_990, 19_994)], "counting", 4),
    ("five days", [(day, "CN") for day in range(19_990, 19_995)], "outside", 5),
    ("five days, of three places", [(19_990 + n, OUTSIDE[n % 3]) for n in range(5)], "outside", 5),
    ("many requests and places on one day", [(19_990, place) for place in OUTSIDE], "counting", 1),
    ("one visit from elsewhere in between", [*[(19_980 + n, "CN") for n in range(9)], (19_984, "FR")], "counting", 4),
    ("one visit from elsewhere at the end", [*[(19_980 + n, "CN") for n in range(9)], (19_988, "FR")], "covered", 0),
    ("from elsewhere on a day of the count", [*[(19_980 + n, "CN") for n in range(9)], (19_980, "SG")], "outside", 8),
    ("twice, far apart", [(20_000 - 184, "CN"), (19_999, "CN")], "outside", 2),
    ("once, and then never", [(20_000 - 184, "CN")], "outside", 1),
    ("once, not long ago", [(20_000 - 180, "CN")], "counting", 1),
    ("elsewhere only", [(19_999, "SG")], "covered", 0),
]


@pytest.mark.parametrize(("name", "visits", "state", "days"), CASES, ids=[case[0] for case in CASES])
def test_the_rule(name: str, visits: list[tuple[int, str]], state: str, days: int) -> None:
    found = told(*visits)
    assert (found.state, found.days) == (state, days)


def test_the_evidence() -> None:
    found = told((19_990, "FR"), (19_991, "CN"), (19_992, "CN"), (19_992, "HK"), (19_995, "HK"))
    assert found == Residence(
        state="counting", days=3, since=19_991, last=19_995, territories={"CN": 2, "HK": 2}, reset=(19_990, "FR")
    )
    assert turns_on(found, enough_months=6) == 19_991 + round(6 * MONTH)
    assert turns_on(found, enough_months=0) == -1


def test_a_way_that_is_switched_off_does_not_lead_outside() -> None:
    often, long = [(19_900 + n, "CN") for n in range(50)], (15_000, "CN")
    assert told(*often, days=0).state == "counting"
    assert told(long, months=0).state == "counting"


visits = st.lists(st.builds(Visit, st.integers(19_000, 20_000), st.sampled_from([*OUTSIDE, *COVERED]), st.just(1)))


@given(visits, st.integers(0, 9), st.integers(0, 9))
def test_a_visit_from_elsewhere_today_always_brings_it_back(seen: list[Visit], days: int, months: int) -> None:
    found = residence(
        [*seen, Visit(20_000, "SG", 1)], COVERED.__contains__, enough_days=days, enough_months=months, today=20_000
    )
    assert found.state == "covered"
    assert found.reset == (20_000, "SG")


@given(visits, st.integers(0, 9), st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_order_in_which_visits_are_known_does_not_matter(
    seen: list[Visit], days: int, months: int, rng: Random
) -> None:
    shuffled = list(seen)
    rng.shuffle(shuffled)
    one, other = (
        residence(order, COVERED.__contains__, enough_days=days, enough_months=months, today=20_000)
        for order in (seen, shuffled)
    )
    assert one.state == other.state and one.days == other.days and one.since == other.since
