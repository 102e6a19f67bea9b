"""What is taken, left and given back is what was lent, in any order of events; one question for all who wait."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gapura.clock import SECOND, TurnableClock
from gapura.errors import Unready
from gapura.gate.purses import Purses
from gapura.terms.holds import Taken
from gapura.terms.link import GiveBack, Grant

MINUTE = 60 * SECOND
PURSE = "tok:acc_1"


class Keeper:
    """Lends what it has, when it is told to answer; `asked` is what it was asked for."""

    def __init__(self, left: int = 0) -> None:
        self.clock = TurnableClock(1_000_020 * SECOND)
        self.purses = Purses(self.ask, self.clock)
        self.left, self.asked = left, list[int]()
        self.answers = asyncio.Event()
        self.away = False

    async def ask(self, purse: str, want: int, limit: int) -> Grant:
        self.asked.append(want)
        await self.answers.wait()
        if self.away:
            raise Unready("the keeper is away")
        amount = min(want, self.left)
        self.left -= amount
        grant = Grant(len(self.asked), purse, amount, 0, 7.0 if amount < want else 0.0)
        self.purses.add(grant)
        return grant

    def borrow(self, want: int, least: int | None = None) -> "asyncio.Task[Grant]":
        return asyncio.create_task(self.purses.borrow(PURSE, want, least or want, 0, self.clock()))


def scene(story: Callable[[Keeper], Awaitable[None]], left: int = 0) -> Keeper:
    async def play() -> Keeper:
        keeper = Keeper(left)
        async with asyncio.timeout(60):
            await story(keeper)
        return keeper

    return asyncio.run(play())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_taking_and_giving() -> None:
    async def story(keeper: Keeper) -> None:
        purses = keeper.purses
        assert not purses.take(PURSE, 1, 0)
        purses.add(Grant(1, PURSE, 10))
        assert purses.take(PURSE, 7, 0) and not purses.take(PURSE, 4, 0) and purses.take(PURSE, 3, 0)
        purses.give(PURSE, 4)
        assert purses.held() == {PURSE: 4} and purses.lent() == {PURSE: 10}
        assert purses.recall(PURSE) == GiveBack(PURSE, 4)
        assert purses.recall(PURSE) == GiveBack(PURSE, 0)
        assert purses.recall("tok:unknown") == GiveBack("tok:unknown", 0)
        assert purses.held() == {} and purses.lent() == {PURSE: 6}

    scene(story)


def test_several_are_taken_or_none() -> None:
    async def story(keeper: Keeper) -> None:
        purses, now = keeper.purses, keeper.clock()
        purses.add(Grant(1, PURSE, 10))
        purses.add(Grant(2, "rpm:key_1", 1, now + MINUTE))
        once, more = [Taken(PURSE, 4), Taken("rpm:key_1", 1)], [Taken(PURSE, 4), Taken("gr:unknown", 1)]
        assert not purses.take_all(once, now + MINUTE) and not purses.take_all(more, now)
        assert not purses.take_all([Taken(PURSE, 6), Taken(PURSE, 6)], now)
        assert not purses.take_all([Taken(PURSE, 4), Taken(PURSE, 0)], now)
        assert purses.held() == {PURSE: 10, "rpm:key_1": 1}
        assert purses.take_all(once, now) and not purses.take_all(once, now)
        assert purses.held() == {PURSE: 6}

    scene(story)


def test_all_who_wait_are_asked_for_once_and_served_in_order() -> None:
    async def story(keeper: Keeper) -> None:
        first = keeper.borrow(3)
        await settle()
        others = [keeper.borrow(n) for n in (2, 1, 4)]
        await settle()
        assert keeper.asked == [3]
        keeper.answers.set()
        assert [grant.amount for grant in await asyncio.gather(first, *others)] == [3, 2, 1, 4]
        assert keeper.asked == [3, 7]

    assert scene(story, 100).left == 90


def test_when_there_is_no_more_the_first_get_it() -> None:
    async def story(keeper: Keeper) -> None:
        keeper.answers.set()
        grants = await asyncio.gather(*[keeper.borrow(1) for _ in range(200)])
        assert [grant.amount for grant in grants] == [1] * 100 + [0] * 100
        assert {grant.retry_after for grant in grants[100:]} == {7.0}
        assert len(keeper.asked) <= 2

    scene(story, 100)


@pytest.mark.parametrize(("least", "amounts"), [(16, [100, 30]), (31, [100, 0])])
def test_less_than_wanted_is_taken_where_it_helps(least: int, amounts: list[int]) -> None:
    async def story(keeper: Keeper) -> None:
        keeper.answers.set()
        assert [g.amount for g in await asyncio.gather(keeper.borrow(100, 16), keeper.borrow(100, least))] == amounts
        assert sum(keeper.purses.held().values()) == 130 - sum(amounts)

    scene(story, 130)


def test_what_is_given_back_serves_those_who_wait() -> None:
    async def story(keeper: Keeper) -> None:
        keeper.purses.add(Grant(1, PURSE, 5))
        assert keeper.purses.take(PURSE, 5, 0)
        waiting = keeper.borrow(4)
        await settle()
        keeper.purses.give(PURSE, 5)
        assert (await waiting).amount == 4
        assert keeper.purses.held() == {PURSE: 1}

    scene(story)


def test_nobody_overtakes_those_who_wait() -> None:
    async def story(keeper: Keeper) -> None:
        keeper.purses.add(Grant(1, PURSE, 5))
        waiting, later = keeper.borrow(6), keeper.borrow(5)
        await settle()
        assert not later.done()
        keeper.answers.set()
        assert ((await waiting).amount, (await later).amount) == (6, 5)

    scene(story, 100)


def test_who_leaves_the_line_leaves_nothing_behind() -> None:
    async def story(keeper: Keeper) -> None:
        gone, stays = keeper.borrow(3), keeper.borrow(2)
        await settle()
        gone.cancel()
        keeper.answers.set()
        assert (await stays).amount == 2
        assert gone.cancelled()
        assert keeper.purses.held() == {PURSE: 3}

    scene(story, 5)


def test_who_leaves_in_the_moment_of_being_served_gives_it_back() -> None:
    async def story(keeper: Keeper) -> None:
        gone = keeper.borrow(3)
        await settle()
        keeper.purses.add(Grant(9, PURSE, 3))
        gone.cancel()
        await settle()
        assert gone.cancelled()
        assert keeper.purses.held() == {PURSE: 3}

    scene(story)


def test_without_a_keeper_nobody_rides_free() -> None:
    async def story(keeper: Keeper) -> None:
        keeper.away = True
        keeper.answers.set()
        waiting = [keeper.borrow(1) for _ in range(3)]
        for one in waiting:
            with pytest.raises(Unready):
                await one
        keeper.away, keeper.left = False, 1
        assert (await keeper.borrow(1)).amount == 1

    scene(story)


def test_a_minute_ends_with_all_that_was_of_it() -> None:
    async def story(keeper: Keeper) -> None:
        purses, now = keeper.purses, keeper.clock()
        purses.add(Grant(1, "rpm:key_1", 10, now + MINUTE))
        assert purses.take("rpm:key_1", 6, now)
        keeper.clock.turn(seconds=60)
        assert not purses.take("rpm:key_1", 1, keeper.clock())
        purses.add(Grant(2, "rpm:key_1", 10, now + MINUTE))  # late: of the minute that is over
        purses.add(Grant(3, "rpm:key_1", 2, now + 2 * MINUTE))
        purses.give("rpm:key_1", 6)
        assert purses.held() == purses.lent() == {"rpm:key_1": 2}
        purses.add(Grant(4, "rpm:key_1", 10, now + MINUTE))
        assert purses.held() == {"rpm:key_1": 2}
        assert purses.recall_all() == [GiveBack("rpm:key_1", 2, now + 2 * MINUTE)]
        keeper.clock.turn(seconds=60)
        assert purses.lent() == {}

    scene(story)


def test_who_has_another_purse_behind_takes_what_is_left_and_asks_once_a_second() -> None:
    async def story(keeper: Keeper) -> None:
        purses, now = keeper.purses, keeper.clock
        keeper.answers.set()
        assert await purses.some(PURSE, 20, now()) == 20
        assert await purses.some(PURSE, 20, now()) == 10
        assert await purses.some(PURSE, 20, now()) == 0 and len(keeper.asked) == 2
        keeper.left = 50
        keeper.clock.turn(seconds=0.9)
        assert await purses.some(PURSE, 20, now()) == 0 and len(keeper.asked) == 2
        keeper.clock.turn(seconds=0.1)
        assert await purses.some(PURSE, 20, now()) == 20 and len(keeper.asked) == 3

    scene(story, 30)


def test_an_empty_purse_is_asked_for_again_when_something_came_back() -> None:
    async def story(keeper: Keeper) -> None:
        purses, now = keeper.purses, keeper.clock
        keeper.answers.set()
        assert await purses.some(PURSE, 40, now()) == 30
        purses.give(PURSE, 5)
        assert await purses.some(PURSE, 40, now()) == 5 and len(keeper.asked) == 2

    scene(story, 30)


def test_what_was_used_beyond_a_limit_comes_out_of_what_is_lent_next() -> None:
    async def story(keeper: Keeper) -> None:
        purses, now = keeper.purses, keeper.clock()
        purses.add(Grant(1, "tpm:key_1", 10, now + MINUTE))
        assert purses.take("tpm:key_1", 6, now)
        purses.owe("tpm:key_1", 20)  # 4 are here
        assert not purses.take("tpm:key_1", 1, now)
        keeper.clock.turn(seconds=60)
        later = keeper.clock()
        purses.add(Grant(2, "tpm:key_1", 10, later + MINUTE))
        assert purses.held() == {}
        purses.add(Grant(3, "tpm:key_1", 10, later + MINUTE))
        assert purses.held() == {"tpm:key_1": 4} and purses.lent() == {"tpm:key_1": 20}

    scene(story)


def test_a_budgets_window_is_known_for_a_while_after_its_end() -> None:
    async def story(keeper: Keeper) -> None:
        purses, now = keeper.purses, keeper.clock()
        purses.add(Grant(1, "bud:b:0", 10, now + MINUTE))
        keeper.clock.turn(seconds=60)
        assert not purses.take("bud:b:0", 1, keeper.clock())
        assert purses.lent() == {"bud:b:0": 10}
        keeper.clock.turn(seconds=3600)
        assert purses.lent() == {}

    scene(story)


class Machine(RuleBasedStateMachine):
    """A budget's purse by the book: lent = free + taken and not given back + spent."""

    def __init__(self) -> None:
        super().__init__()

        async def never(purse: str, want: int, limit: int) -> Grant:
            raise Unready("")

        self.purses = Purses(never, TurnableClock(0))
        self.free = self.lent = 0
        self.holds: list[int] = []

    @rule(amount=st.integers(0, 50))
    def add(self, amount: int) -> None:
        self.purses.add(Grant(1, PURSE, amount))
        self.free += amount
        self.lent += amount

    @rule(amount=st.integers(1, 50))
    def take(self, amount: int) -> None:
        took = self.purses.take(PURSE, amount, 0)
        assert took == (amount <= self.free)
        if took:
            self.free -= amount
            self.holds.append(amount)

    @rule(share=st.floats(0, 1))
    def settle(self, share: float) -> None:
        if self.holds:
            rest = int(self.holds.pop() * share)
            self.purses.give(PURSE, rest)
            self.free += rest

    @rule()
    def recall(self) -> None:
        assert self.purses.recall(PURSE) == GiveBack(PURSE, self.free)
        self.lent -= self.free
        self.free = 0

    @invariant()
    def agrees(self) -> None:
        assert self.purses.held() == ({PURSE: self.free} if self.free else {})
        assert self.purses.lent().get(PURSE, 0) == self.lent >= self.free >= 0


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=50, deadline=None)
