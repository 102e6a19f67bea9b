"""Slices: as large as use wants them, never more than there is, and called back before anybody is refused."""

import asyncio
from collections.abc import Callable, Collection

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapura.clock import SECOND, TurnableClock
from gapura.keeper.lending import Lending
from gapura.store import ledger, records
from gapura.store.sqlite import Store
from gapura.terms.link import VERSION, Ask, GiveBack, Grant, Hello


class Gates:
    """`count` gates; `free` is what they give back of a purse when asked."""

    def __init__(self, lending: Lending, count: int = 2, free: dict[str, int] | None = None) -> None:
        self.lending, self.count, self.free = lending, count, free or {}
        self.recalled: list[tuple[str, list[str]]] = []

    async def recall(self, purse: str, incarnations: Collection[str]) -> None:
        self.recalled.append((purse, list(incarnations)))
        for name in incarnations:
            await self.lending.give_back(name, GiveBack(purse, self.free.pop(name, 0), until(self.lending)))


def until(lending: Lending) -> int:
    return lending._until()


@pytest.fixture
def lending(store: Store, clock: TurnableClock) -> Lending:
    return Lending(store, clock, "boot_1")


@pytest.fixture
def joined(lending: Lending, store: Store) -> Callable[..., None]:
    """joined(name, …, budget=…): gates that the keeper knows."""

    def join(*names: str, budget: int = 100) -> None:
        for name in names:
            assert asyncio.run(lending.join(Hello(VERSION, name, 0, 1)))
        store.write(lambda db: ledger.set_budget(db, "tok:acc_1", budget, ref=f"b{budget}", at=1)).result()

    return join


def ask(
    lending: Lending, gates: Gates, gate: str, want: int, *, n: int = 1, purse: str = "tok:acc_1", limit: int = 0
) -> Grant:
    return asyncio.run(lending.answer(gate, Ask(n, purse, want, limit), gates))


def test_a_slice_grows_with_use_and_keeps_to_its_part(
    lending: Lending, joined: Callable[..., None], clock: TurnableClock
) -> None:
    joined("inc_1", "inc_2", budget=1000)
    gates = Gates(lending)
    amounts = []
    for n in range(9):
        amounts.append(ask(lending, gates, "inc_1", 10, n=n).amount)
        clock.turn(seconds=1)
    assert amounts == [10, 20, 40, 80, 160, 172, 129, 97, 73]  # twice as much, and at most a fourth of what is left
    clock.turn(seconds=60)
    assert ask(lending, gates, "inc_1", 10, n=20).amount == 36
    assert gates.recalled == []


def test_near_the_end_a_slice_is_what_is_asked_for(lending: Lending, joined: Callable[..., None]) -> None:
    joined("inc_1", "inc_2", budget=10)
    gates = Gates(lending)
    assert [ask(lending, gates, "inc_1", 4, n=n).amount for n in range(4)] == [4, 4, 2, 0]


def test_before_one_is_refused_the_others_give_back(
    lending: Lending, joined: Callable[..., None], store: Store
) -> None:
    joined("inc_1", "inc_2", budget=100)
    gates = Gates(lending, free={"inc_1": 30})
    assert ask(lending, gates, "inc_1", 80).amount == 80
    assert ask(lending, gates, "inc_2", 50, n=2) == Grant(2, "tok:acc_1", 50)
    assert gates.recalled == [("tok:acc_1", ["inc_1"])]
    assert ask(lending, gates, "inc_2", 1, n=3).amount == 0
    assert store.read(lambda db: ledger.standing(db, "tok:acc_1")) == ledger.Standing(100, 0, 100, 0, 0)


def test_who_asked_first_gets_what_is_called_back(lending: Lending, joined: Callable[..., None]) -> None:
    joined("inc_1", "inc_2", "inc_3", budget=100)
    called, answered = asyncio.Event(), asyncio.Event()

    class Slow(Gates):
        async def recall(self, purse: str, incarnations: Collection[str]) -> None:
            called.set()
            await answered.wait()
            await super().recall(purse, incarnations)

    async def scene() -> None:
        gates = Slow(lending, 3, {"inc_1": 10})
        await lending.answer("inc_1", Ask(1, "tok:acc_1", 100), gates)
        first = asyncio.create_task(lending.answer("inc_2", Ask(1, "tok:acc_1", 10), gates))
        await called.wait()
        await lending.give_back("inc_1", GiveBack("tok:acc_1", 5))
        second = asyncio.create_task(lending.answer("inc_3", Ask(1, "tok:acc_1", 10), gates))
        await asyncio.wait([second], timeout=0.05)  # as far as it gets
        answered.set()
        assert (await first).amount == 10
        assert (await second).amount == 5

    asyncio.run(scene())


def test_the_same_question_twice_lends_once(lending: Lending, joined: Callable[..., None], store: Store) -> None:
    joined("inc_1", budget=100)
    gates = Gates(lending, count=1)
    assert ask(lending, gates, "inc_1", 10) == ask(lending, gates, "inc_1", 10) == Grant(1, "tok:acc_1", 10)
    assert store.read(lambda db: ledger.standing(db, "tok:acc_1")).lent == 10


@pytest.mark.parametrize(("arrived", "left"), [({}, 100), ({"tok:acc_1": 30}, 70), ({"tok:acc_1": 50}, 50)])
def test_what_never_arrived_goes_back_when_a_gate_returns(
    lending: Lending, joined: Callable[..., None], store: Store, *, arrived: dict[str, int], left: int
) -> None:
    joined("inc_1", budget=100)
    ask(lending, Gates(lending, count=1), "inc_1", 50)
    for _ in range(2):
        assert asyncio.run(lending.join(Hello(VERSION, "inc_1", 0, 1, lent=arrived)))
    assert store.read(lambda db: ledger.standing(db, "tok:acc_1")).left == left


def test_who_was_taken_for_dead_stays_out(lending: Lending, joined: Callable[..., None], store: Store) -> None:
    joined("inc_1")
    store.write(lambda db: records.close(db, "inc_1", 0, 1)).result()
    assert not asyncio.run(lending.join(Hello(VERSION, "inc_1", 0, 1)))
    assert ask(lending, Gates(lending), "inc_1", 1).amount == 0


def test_a_limit_is_shared_within_its_minute(lending: Lending, clock: TurnableClock) -> None:
    gates = Gates(lending)
    asked = [ask(lending, gates, f"inc_{n % 2}", 1, n=n, purse="rpm:key_1", limit=20).amount for n in range(30)]
    assert asked[:3] == [2, 2, 2] and sum(asked) == 20 and asked[-1] == 0
    clock.turn(seconds=15.5)
    start = 1_000_020 * SECOND
    assert start % (60 * SECOND) == 0
    assert ask(lending, gates, "inc_1", 1, purse="rpm:key_1", limit=20) == Grant(
        1, "rpm:key_1", 0, start + 60 * SECOND, 44.5
    )
    clock.turn(seconds=44.5)
    assert ask(lending, gates, "inc_1", 1, purse="rpm:key_1", limit=20) == Grant(
        1, "rpm:key_1", 2, start + 120 * SECOND
    )


def test_a_limit_is_called_back_too(lending: Lending) -> None:
    gates = Gates(lending, free={"inc_1": 6})
    assert ask(lending, gates, "inc_1", 10, purse="tpm:acc_1", limit=10).amount == 10
    assert ask(lending, gates, "inc_2", 4, purse="tpm:acc_1", limit=10).amount == 4
    late = GiveBack("tpm:acc_1", 6, until(lending) - 60 * SECOND)
    asyncio.run(lending.give_back("inc_1", late))  # of the minute before: counts for nothing
    assert ask(lending, gates, "inc_2", 4, purse="tpm:acc_1", limit=10).amount == 2


def test_a_new_keeper_learns_from_its_gates_what_the_last_one_lent(store: Store, clock: TurnableClock) -> None:
    lending = Lending(store, clock, "boot_1")
    asyncio.run(lending.join(Hello(VERSION, "inc_1", 0, 1, lent={"rpm:key_1": 15})))
    gates = Gates(lending)
    assert ask(lending, gates, "inc_2", 10, purse="rpm:key_1", limit=20).amount == 5


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["inc_1", "inc_2", "inc_3"]), st.integers(1, 40), st.floats(0, 1)), max_size=25)
)
def test_any_questions_lend_what_is_granted_and_no_more(
    store: Store, clock: TurnableClock, steps: list[tuple[str, int, float]]
) -> None:
    clock.turn(seconds=60)
    run = clock()
    lending = Lending(store, clock, "boot_1")
    names = {name: f"{name}_{run}" for name in ("inc_1", "inc_2", "inc_3")}
    account, held = f"acc_{run}", dict.fromkeys(names.values(), 0)
    for name in names.values():
        asyncio.run(lending.join(Hello(VERSION, name, 0, 1)))
    store.write(lambda db: ledger.set_budget(db, f"tok:{account}", 200, ref=account, at=1)).result()
    for n, (gate, want, share) in enumerate(steps):
        free = {name: int(amount * share) for name, amount in held.items()}
        gates = Gates(lending, 3, dict(free))
        grant = ask(lending, gates, names[gate], want, n=n, purse=f"tok:{account}")
        if gates.recalled:
            for name in gates.recalled[0][1]:
                held[name] -= free[name]
        held[names[gate]] += grant.amount
        now = store.read(lambda db: ledger.standing(db, f"tok:{account}"))
        assert (now.granted, now.lent) == (200, sum(held.values()))
        assert grant.amount >= want or now.left == 0
