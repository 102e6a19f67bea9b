"""The order of targets, and circuits that open and close by a clock that is turned by hand."""

from collections import Counter
from random import Random
from typing import Any

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
    turns = [health.admit(target, at) for _ in range(times)]
    for turn in turns:
        health.failed(target, at, BROKEN, turn)


def walk(health: Health, at: int, targets: list[Target], route: Route = ANYWHERE, rng: Random | None = None) -> Any:
    """The first target that lets the request in, and its turn; None where nobody does."""
    failed: Target | None = None
    for target in order([targets, ()], health, at, rng or Random(1), route=route, book=BOOK):
        if failed is None or may_follow(route, failed, target, BOOK):
            try:
                return target, health.admit(target, at)
            except UpstreamFailed:
                failed = target
    return None, 0


def tried(health: Health, at: int, *targets: Target) -> Target | None:
    target: Target | None = walk(health, at, list(targets))[0]
    return target


def test_as_the_route_lists_them() -> None:
    assert order([[B, A, C]], Health(), START, Random(1), route=AT_HOME, book=BOOK) == [B, A, C]
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
    drawn = Counter(walk(health, START, [heavy, light, other], rng=rng)[0] for _ in range(400))
    assert set(drawn) == {light, other} and min(drawn.values()) > 150


def test_five_failures_in_a_row_open_a_circuit_and_one_success_between_them_does_not() -> None:
    health = Health()
    failing(health, A, START, 4)
    assert not health.is_open(A, START)
    health.worked(A, health.admit(A, START))
    failing(health, A, START, 4)
    assert tried(health, START, A, B) == A
    failing(health, A, START, 1)
    assert health.is_open(A, START) and tried(health, START, A, B) == B
    assert tried(health, START, A) is None


def test_failures_that_are_not_the_targets_do_not_count() -> None:
    health = Health()
    for _ in range(9):
        health.failed(A, START, UpstreamFailed("the caller's own mistake", status=400, trips=False), 0)
    assert not health.is_open(A, START)


def test_one_probe_at_a_time_and_the_pause_doubles_to_a_minute() -> None:
    health, clock = Health(), TurnableClock(START)
    failing(health, A, clock())
    for pause in (1, 2, 4, 8, 16, 32, 60, 60):
        clock.turn(seconds=pause - 0.000001)
        assert tried(health, clock(), A, B) == B
        clock.turn(seconds=0.000001)
        probe, turn = walk(health, clock(), [A, B])
        assert probe == A
        assert tried(health, clock(), A, B) == B  # others wait for it
        assert health.failed(A, clock(), BROKEN, turn) == min(pause * 2, 60)
    clock.turn(seconds=60)
    probe, turn = walk(health, clock(), [A, B])
    health.worked(A, turn)
    assert [tried(health, clock(), A, B) for _ in range(3)] == [A] * 3
    failing(health, A, clock())
    assert health.snapshot(clock()) == {"openai/a": clock() + SECOND}


def test_a_probe_of_which_nothing_is_heard_blocks_nobody() -> None:
    health, clock = Health(), TurnableClock(START)
    failing(health, A, clock())
    clock.turn(seconds=1)
    assert tried(health, clock(), A, B) == A
    clock.turn(seconds=1)
    assert tried(health, clock(), A, B) == A


def test_a_probe_that_takes_longer_than_the_pause_may_still_close_the_circuit() -> None:
    health, clock = Health(), TurnableClock(START)
    failing(health, A, clock())
    clock.turn(seconds=1)
    first = health.admit(A, clock())
    clock.turn(seconds=1)
    health.admit(A, clock())
    health.worked(A, first)
    assert [tried(health, clock(), A, B) for _ in range(3)] == [A] * 3


def test_a_probe_whose_caller_hangs_up_leaves_its_place_to_the_next_request() -> None:
    health, clock = Health(), TurnableClock(START)
    failing(health, A, clock())
    clock.turn(seconds=1)
    health.left(A, clock(), health.admit(A, clock()))
    assert [tried(health, clock(), A, B) for _ in range(2)] == [A, B]


def test_who_hangs_up_after_the_circuit_opened_frees_nothing() -> None:
    health = Health()
    before = health.admit(A, START)
    failing(health, A, START)
    health.left(A, START, before)
    assert tried(health, START, A, B) == B


def test_the_first_token_of_a_probe_lets_the_others_in_on_trial() -> None:
    health, clock = Health(), TurnableClock(START)
    failing(health, A, clock())
    clock.turn(seconds=1)
    probe = health.admit(A, clock())
    health.began(A, probe)
    turns = [health.admit(A, clock()) for _ in range(3)]
    assert health.failed(A, clock(), BROKEN, probe) == 2  # amid its answer: twice the pause
    assert health.failed(A, clock(), BROKEN, turns[0]) == 0
    clock.turn(seconds=2)
    health.began(A, health.admit(A, clock()))
    health.worked(A, health.admit(A, clock()))
    failing(health, A, clock(), 4)
    assert not health.is_open(A, clock())


def test_an_answer_from_before_does_not_end_the_time_that_a_provider_asked_for() -> None:
    health = Health()
    before = health.admit(A, START)
    health.failed(A, START, UpstreamFailed("busy", status=429, retry_after=30.0), health.admit(A, START))
    health.began(A, before)
    health.worked(A, before)
    assert health.is_open(A, START + 30 * SECOND - 1)


def test_time_that_is_asked_for_later_counts_from_then() -> None:
    health = Health()
    turns = [health.admit(A, START) for _ in range(2)]
    for at, turn in zip((START, START + 5 * SECOND), turns, strict=True):
        health.failed(A, at, UpstreamFailed("busy", status=429, retry_after=10.0), turn)
    assert health.snapshot(START) == {"openai/a": START + 15 * SECOND}


def test_a_target_is_the_same_in_every_route() -> None:
    health = Health()
    failing(health, Target("openai", "a", 3), START)
    assert tried(health, START, Target("openai", "a", 0), B) == B


@pytest.mark.parametrize("retry", [None, False])
def test_while_it_is_open_a_request_gets_what_opened_it_and_the_time_left(retry: bool | None) -> None:
    health = Health()
    words = "Rate limit of org-1234 reached"
    failure = UpstreamFailed(words, status=429, kind="tokens", code="rate_limit_exceeded", retry_after=9, retry=retry)
    health.failed(A, START, failure, health.admit(A, START))
    with pytest.raises(UpstreamFailed) as caught:
        health.admit(A, START + 2 * SECOND)
    said = caught.value
    assert (said.status, said.kind, said.code, said.should_retry) == (429, "tokens", "rate_limit_exceeded", retry)
    assert (said.retry_after, said.trips) == (None if retry is False else 7, False)
    assert "org-1234" not in said.message


def test_late_failures_of_requests_that_were_under_way_do_not_prolong_it() -> None:
    health = Health()
    failing(health, A, START, 50)
    assert health.snapshot(START) == {"openai/a": START + SECOND}


@pytest.mark.parametrize(
    ("asked", "pause"),
    [(30.0, 30), (0.2, 1), (0.0, 1), (-5.0, 1), (86_400.0, 3600), (float("inf"), 3600), (float("nan"), 1)],
)
def test_a_provider_that_asks_for_time_gets_it_at_once(asked: float, pause: int) -> None:
    health = Health()
    health.failed(A, START, UpstreamFailed("busy", status=429, retry_after=asked), 0)
    assert health.snapshot(START) == {"openai/a": START + pause * SECOND}
    assert not health.is_open(A, START + pause * SECOND)


def test_what_other_gates_know_is_heeded_and_not_told_on() -> None:
    health = Health()
    health.merge({"openai/a": START + SECOND}, START)
    assert tried(health, START, A, B) == B and health.snapshot(START) == {}
    health.merge({}, START)
    assert tried(health, START, A, B) == A


def test_after_what_other_gates_know_this_one_probes_too() -> None:
    health, at = Health(), START + SECOND
    health.merge({"openai/a": at}, START)
    probe, turn = walk(health, at, [A, B])
    assert (probe, tried(health, at, A, B)) == (A, B)
    health.worked(A, turn)
    assert [tried(health, at, A, B) for _ in range(2)] == [A, A]
    health.merge({"openai/a": at}, at)  # the keeper is away, and this is its last word
    assert [tried(health, at, A, B) for _ in range(2)] == [A, A]


def test_what_a_gate_told_is_not_heard_back_when_it_knows_better() -> None:
    health = Health()
    failing(health, A, START)
    probe = health.admit(A, START + SECOND)
    told = health.snapshot(START + SECOND)
    health.worked(A, probe)
    assert health.snapshot(START + SECOND) == {}
    health.merge(told, START + SECOND)
    assert tried(health, START + SECOND, A, B) == A


def test_a_circuit_that_is_over_is_not_in_the_snapshot() -> None:
    health = Health()
    failing(health, A, START)
    assert health.snapshot(START + SECOND) == {}


targets = st.lists(
    st.builds(Target, st.sampled_from(["openai", "qwen", "glm"]), st.sampled_from("abc"), st.integers(0, 3)),
    unique_by=str,
    max_size=6,
)


@given(targets, targets, st.builds(Random, st.integers()), st.sets(st.integers(0, 11)))
def test_nobody_is_lost_or_tried_twice(certain: list[Target], others: list[Target], rng: Random, ill: set[int]) -> None:
    others = [target for target in others if str(target) not in set(map(str, certain))]
    health = Health()
    everyone = [*certain, *others]
    for number in ill & set(range(len(everyone))):
        failing(health, everyone[number], START)
    drawn = order([certain, others], health, START, rng, route=ANYWHERE, book=BOOK)
    assert sorted(drawn) == sorted(everyone)
    assert set(drawn[: len(certain)]) == set(certain)


D, E = Target("ernie", "d"), Target("openai", "e")


@pytest.mark.parametrize(
    ("ill", "listed", "serves"),
    [
        ([A], [A, B], None),  # nobody at home takes its place
        ([A], [A, B, E], E),
        ([B], [B, A, C, D], C),
        ([B, C], [B, A, C, D], D),
        ([A, E], [A, E, B], None),
        ([B], [A, B], A),
    ],
)
def test_an_open_circuit_does_not_carry_data_into_another_jurisdiction(
    ill: list[Target], listed: list[Target], serves: Target | None
) -> None:
    health = Health()
    for target in ill:
        failing(health, target, START)
    assert walk(health, START, listed, AT_HOME)[0] == serves


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
    first = Counter(walk(health, START, listed, AT_HOME, rng)[0] for _ in range(4000))
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
