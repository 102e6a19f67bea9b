"""The order of targets, and circuits that open and close by a clock that is turned by hand."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.clock import SECOND, TurnableClock
from gapura.errors import UpstreamFailed
from gapura.request.route import Health, may_follow, order
from gapura.terms.rulebook import Endpoint, Route, Rulebook, Target

A, B, C = Target("openai", "a"), Target("qwen", "b"), Target("glm", "c")
BROKEN = UpstreamFailed("broken")
START = 1_000 * SECOND

PLACES = {"openai": "US", "qwen": "CN", "ernie": "CN", "glm": "CN"}
BOOK = Rulebook(
    version="v",
    endpoints=tuple(
        Endpoint(provider=name, base_url="https://x", processing_territory=at) for name, at in PLACES.items()
    ),
    routes={},
)
ANYWHERE, AT_HOME = Route(model="m", targets=(), failover="anywhere"), Route(model="m", targets=())


def failing(health: Health, target: Target, at: int, times: int = 5) -> None:
    for _ in range(times):
        health.failed(target, at, BROKEN)


def tried(health: Health, at: int, *targets: Target) -> list[Target]:
    return order([targets, ()], health, at, Random(1), route=ANYWHERE, book=BOOK)


def test_as_the_route_lists_them() -> None:
    assert tried(Health(), START, B, A, C) == [B, A, C]
    assert order([[], []], Health(), START, Random(1), route=AT_HOME, book=BOOK) == []


def test_what_certainly_may_serve_goes_first() -> None:
    assert order([[B], [A, C]], Health(), START, Random(1), route=AT_HOME, book=BOOK) == [B, A, C]


def test_weights_share_the_traffic_and_the_rest_follows_in_order() -> None:
    heavy, light, spare = Target("openai", "a", 75), Target("qwen", "b", 25), Target("glm", "c")
    rng = Random(7)
    drawn = [tuple(order([[spare, light, heavy]], Health(), START, rng, route=AT_HOME, book=BOOK)) for _ in range(4000)]
    share = Counter(targets[0] for targets in drawn)
    assert set(share) == {heavy, light} and 0.72 < share[heavy] / 4000 < 0.78
    assert set(drawn) == {(heavy, spare, light), (light, spare, heavy)}


def test_the_share_of_a_target_that_is_ill_is_shared_by_the_others() -> None:
    heavy, light, other = Target("openai", "a", 98), Target("qwen", "b", 1), Target("glm", "c", 1)
    health, rng = Health(), Random(7)
    failing(health, heavy, START)
    drawn = Counter(
        tuple(order([[heavy, light, other]], health, START, rng, route=ANYWHERE, book=BOOK)) for _ in range(400)
    )
    assert set(drawn) == {(light, other, heavy), (other, light, heavy)} and min(drawn.values()) > 150


def test_five_failures_in_a_row_open_a_circuit_and_one_success_between_them_does_not() -> None:
    health = Health()
    failing(health, A, START, 4)
    assert not health.is_open(A, START)
    health.worked(A)
    failing(health, A, START, 4)
    assert tried(health, START, A, B) == [A, B]
    failing(health, A, START, 1)
    assert health.is_open(A, START) and tried(health, START, A, B) == [B, A]
    assert tried(health, START, A) == [A]


def test_failures_that_are_not_the_targets_do_not_count() -> None:
    health = Health()
    for _ in range(9):
        health.failed(A, START, UpstreamFailed("the caller's own mistake", status=400, trips=False))
    assert not health.is_open(A, START)


def test_one_probe_at_a_time_and_the_pause_doubles_to_a_minute() -> None:
    health, clock = Health(), TurnableClock(START)
    failing(health, A, clock())
    for pause in (1, 2, 4, 8, 16, 32, 60, 60):
        clock.turn(seconds=pause - 0.000001)
        assert tried(health, clock(), A, B) == [B, A]
        clock.turn(seconds=0.000001)
        assert tried(health, clock(), A, B) == [A, B]  # the probe
        assert tried(health, clock(), A, B) == [B, A]  # others wait for it
        health.failed(A, clock(), BROKEN)
    clock.turn(seconds=60)
    assert tried(health, clock(), A, B) == [A, B]
    health.worked(A)
    assert [tried(health, clock(), A, B) for _ in range(3)] == [[A, B]] * 3
    failing(health, A, clock())
    assert health.snapshot(clock()) == {"openai/a": clock() + SECOND}


def test_a_probe_of_which_nothing_is_heard_blocks_nobody() -> None:
    health, clock = Health(), TurnableClock(START)
    failing(health, A, clock())
    clock.turn(seconds=1)
    assert tried(health, clock(), A, B)[0] == A
    clock.turn(seconds=1)
    assert tried(health, clock(), A, B)[0] == A


def test_late_failures_of_requests_that_were_under_way_do_not_prolong_it() -> None:
    health = Health()
    failing(health, A, START, 50)
    assert health.snapshot(START) == {"openai/a": START + SECOND}


def test_an_ill_target_that_was_tried_for_want_of_others_counts_as_a_probe() -> None:
    health = Health()
    failing(health, A, START)
    health.failed(A, START + SECOND, BROKEN)
    assert health.snapshot(START + SECOND) == {"openai/a": START + 3 * SECOND}


@pytest.mark.parametrize(
    ("asked", "pause"),
    [(30.0, 30), (0.2, 1), (0.0, 1), (-5.0, 1), (86_400.0, 3600), (float("inf"), 3600), (float("nan"), 1)],
)
def test_a_provider_that_asks_for_time_gets_it_at_once(asked: float, pause: int) -> None:
    health = Health()
    health.failed(A, START, UpstreamFailed("busy", status=429, retry_after=asked))
    assert health.snapshot(START) == {"openai/a": START + pause * SECOND}
    assert not health.is_open(A, START + pause * SECOND)


def test_what_other_gates_know_is_heeded_and_not_told_on() -> None:
    health = Health()
    health.merge({"openai/a": START + SECOND})
    assert tried(health, START, A, B) == [B, A] and health.snapshot(START) == {}
    assert tried(health, START + SECOND, A, B) == [A, B]
    health.merge({})
    assert tried(health, START, A, B) == [A, B]


def test_a_circuit_that_is_over_is_not_in_the_snapshot() -> None:
    health = Health()
    failing(health, A, START)
    assert health.snapshot(START + SECOND) == {}


targets = st.lists(
    st.builds(Target, st.sampled_from(["openai", "qwen", "glm"]), st.sampled_from("abc"), st.integers(0, 3)),
    unique_by=str,
    max_size=6,
)


@given(targets, targets, st.randoms(use_true_random=False), st.sets(st.integers(0, 11)))
def test_nobody_is_lost_or_tried_twice(certain: list[Target], others: list[Target], rng: Random, ill: set[int]) -> None:
    others = [target for target in others if str(target) not in set(map(str, certain))]
    health = Health()
    everyone = [*certain, *others]
    for number in ill & set(range(len(everyone))):
        failing(health, everyone[number], START)
    open_before = [health.is_open(target, START) for target in everyone]
    drawn = order([certain, others], health, START, rng, route=ANYWHERE, book=BOOK)
    assert sorted(drawn) == sorted(everyone)
    assert [health.is_open(target, START) for target in drawn] == sorted(open_before)
    well = [target for target in drawn if not health.is_open(target, START)]
    assert [target in certain for target in well] == sorted((target in certain for target in well), reverse=True)


D, E = Target("ernie", "d"), Target("openai", "e")


@pytest.mark.parametrize(
    ("ill", "listed", "tried_in_order"),
    [
        ([A], [A, B], [A, B]),  # nobody at home takes its place
        ([A], [A, B, E], [E, B, A]),
        ([B], [B, A, C, D], [C, A, D, B]),
        ([B, C], [A, B, C, D], [A, D, B, C]),
        ([A, E], [A, E, B], [A, E, B]),
        ([B], [A, B], [A, B]),
    ],
)
def test_an_open_circuit_does_not_carry_data_into_another_jurisdiction(
    ill: list[Target], listed: list[Target], tried_in_order: list[Target]
) -> None:
    health = Health()
    for target in ill:
        failing(health, target, START)
    assert order([listed], health, START, Random(1), route=AT_HOME, book=BOOK) == tried_in_order


def test_the_share_of_an_ill_target_stays_in_its_jurisdiction() -> None:
    abroad, ill, light, heavy = (
        Target("openai", "a", 50),
        Target("qwen", "b", 30),
        Target("glm", "c", 5),
        Target("ernie", "d", 15),
    )
    health, rng = Health(), Random(7)
    failing(health, ill, START)
    listed = [ill, abroad, light, heavy]
    first = Counter(order([listed], health, START, rng, route=AT_HOME, book=BOOK)[0] for _ in range(4000))
    assert set(first) == {abroad, light, heavy}
    assert 0.46 < first[abroad] / 4000 < 0.54 and 0.71 < first[heavy] / (first[heavy] + first[light]) < 0.79


@pytest.mark.parametrize(
    ("failed", "candidate", "failover", "may"),
    [
        ("us", "us2", "same-jurisdiction", True),
        ("us", "cn", "same-jurisdiction", False),
        ("us", "cn", "anywhere", True),
        ("us", "nowhere", "same-jurisdiction", False),
        ("nowhere", "nowhere2", "same-jurisdiction", False),
        ("nowhere", "nowhere", "same-jurisdiction", True),
        ("gone", "gone2", "same-jurisdiction", False),
    ],
)
def test_a_failure_does_not_carry_data_into_another_jurisdiction(
    failed: str, candidate: str, failover: str, may: bool
) -> None:
    places = {"us": "US", "us2": "US", "cn": "CN", "nowhere": "", "nowhere2": ""}
    endpoints = tuple(
        Endpoint(provider=name, base_url="https://x", processing_territory=at) for name, at in places.items()
    )
    book = Rulebook(version="v", endpoints=endpoints, routes={})
    one = Route(model="m", targets=(), failover="anywhere" if failover == "anywhere" else "same-jurisdiction")
    assert may_follow(one, Target(failed, "m"), Target(candidate, "n"), book) == may
