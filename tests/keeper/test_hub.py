"""The keeper's socket, with real gates' links on the other end, and with peers that misbehave."""

import asyncio
import random
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gapura.clock import SECOND, TurnableClock
from gapura.errors import Unready
from gapura.gate.link import Link, State
from gapura.gate.purses import Purses
from gapura.keeper import hub as module
from gapura.keeper.hub import Hub
from gapura.keeper.lending import Lending
from gapura.store import ledger
from gapura.store.base import StoreFailed
from gapura.store.sqlite import Store
from gapura.terms.link import VERSION, Delta, FromKeeper, Grant, Hello, Refuse, Report, Tick, Welcome
from gapura.wire.frames import Unpacker, pack

Run = Callable[[Awaitable[None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run  # type: ignore[return-value]


class Gate:
    """A gate's link and purses, without the gate.  `seen` is what it was told."""

    def __init__(self, path: Path, name: str, clock: TurnableClock) -> None:
        self.seen: list[Any] = []
        self.changed = asyncio.Event()
        self.link = Link(path, name, 0, 1)
        self.purses = Purses(self.link.ask, clock)
        self.state = State(
            self._see,
            lambda beside: self._see(("beside", beside)),
            self._see,
            lambda path, seq: self._see(seq),
            self._see,
            self.purses,
            max_age_s=900,
        )
        self.running = asyncio.create_task(self.link.run(self.state))

    def _see(self, what: Any) -> None:
        self.seen.append(what)
        self.changed.set()

    async def sees(self, what: Any) -> None:
        while what not in self.seen:
            self.changed.clear()
            await self.changed.wait()

    async def leave(self) -> None:
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running


class Keeper:
    """A hub on a socket with real lending and a real store."""

    def __init__(self, tmp_path: Path, store: Store, clock: TurnableClock) -> None:
        self.path, self.store, self.clock = tmp_path / "keeper.sock", store, clock
        self.gates: list[Gate] = []
        self.hub = self._hub()

    def _hub(self) -> Hub:
        return Hub(
            Lending(self.store, self.clock), lambda: Welcome(b"rules", "/d", 5, self.clock()), self.clock, recall_s=5
        )

    async def gate(self, name: str) -> Gate:
        gate = Gate(self.path, name, self.clock)
        self.gates.append(gate)
        await gate.sees(b"rules")
        return gate

    async def restart(self) -> None:
        await self.hub.close()
        self.hub = self._hub()
        for gate in self.gates:
            gate.seen.clear()
        await self.hub.start(self.path)
        for gate in self.gates:
            await gate.sees(b"rules")

    def budget(self, total: int) -> None:
        self.store.write(lambda db: ledger.set_budget(db, "tok:acc_1", total, ref=f"b{total}", at=1)).result()

    def standing(self) -> ledger.Standing:
        return self.store.read(lambda db: ledger.standing(db, "tok:acc_1"))


@pytest.fixture
def scene(tmp_path: Path, store: Store, clock: TurnableClock, run: Run) -> Callable[..., None]:
    """scene(story): plays `await story(keeper)` and takes everything down."""

    def play(story: Callable[[Keeper], Awaitable[None]]) -> None:
        async def whole() -> None:
            keeper = Keeper(tmp_path, store, clock)
            await keeper.hub.start(keeper.path)
            try:
                async with asyncio.timeout(60):
                    await story(keeper)
            finally:
                for gate in keeper.gates:
                    await gate.leave()
                await keeper.hub.close()

        run(whole())

    return play


Scene = Callable[[Callable[[Keeper], Awaitable[None]]], None]


@pytest.mark.parametrize("gates", [1, 4])
def test_a_grant_of_100_serves_100_of_200(scene: Scene, gates: int) -> None:
    async def story(keeper: Keeper) -> None:
        keeper.budget(100)
        all_gates = [await keeper.gate(f"inc_{n}") for n in range(gates)]

        async def request(gate: Gate) -> int:
            if gate.purses.take("tok:acc_1", 1, keeper.clock()):
                return 1
            return (await gate.purses.borrow("tok:acc_1", 1, 1, 0, keeper.clock())).amount

        chance = random.Random(gates)
        served = await asyncio.gather(*[request(chance.choice(all_gates)) for _ in range(200)])
        assert sum(served) == 100
        assert keeper.standing() == ledger.Standing(100, 0, 100, 0, 0)

    scene(story)


def test_requests_that_give_back_use_all_of_it_and_no_more(scene: Scene) -> None:
    """Each holds 10 and uses 1 to 10; when all is over, what is left anywhere is too little for one more."""

    async def story(keeper: Keeper) -> None:
        keeper.budget(1000)
        gates = [await keeper.gate(f"inc_{n}") for n in range(3)]
        chance, used = random.Random(3), 0

        async def client() -> None:
            nonlocal used
            while True:
                gate = chance.choice(gates)
                now = keeper.clock()
                hold = 10 if gate.purses.take("tok:acc_1", 10, now) else 0
                hold = hold or (await gate.purses.borrow("tok:acc_1", 10, 10, 0, now)).amount
                if not hold:
                    return
                await asyncio.sleep(0)
                cost = chance.randint(1, 10)
                used += cost
                gate.purses.give("tok:acc_1", hold - cost)

        await asyncio.gather(*[client() for _ in range(12)])
        free = sum(sum(gate.purses.held().values()) for gate in gates)
        assert used + free + keeper.standing().left == 1000
        assert used > 900

    scene(story)


def test_a_keeper_that_is_started_anew_loses_and_doubles_nothing(scene: Scene) -> None:
    async def story(keeper: Keeper) -> None:
        keeper.budget(100)
        one, two = await keeper.gate("inc_1"), await keeper.gate("inc_2")
        assert (await one.purses.borrow("tok:acc_1", 30, 30, 0, 0)).amount == 30
        assert (await two.purses.borrow("rpm:key_1", 7, 7, 10, 0)).amount == 7
        await keeper.hub.close()
        # Lent by a keeper that died before it could say so.
        keeper.store.write(lambda db: ledger.lend(db, "inc_2", "tok:acc_1", lambda left: 50, ref="x", at=1)).result()
        await keeper.restart()
        assert keeper.standing() == ledger.Standing(100, 70, 30, 0, 0)
        assert (await one.purses.borrow("rpm:key_1", 4, 1, 10, 0)).amount == 3

    scene(story)


def test_what_is_published_reaches_all_and_those_who_come_later(scene: Scene) -> None:
    async def story(keeper: Keeper) -> None:
        one = await keeper.gate("inc_1")
        assert keeper.hub.count == 1
        old, new = Delta(4), Delta(6)
        for delta in (old, new):
            keeper.hub.publish_delta(delta)
        keeper.hub.publish_rules(b"rules 2")
        await one.sees(b"rules 2")
        assert old in one.seen and new in one.seen
        two = await keeper.gate("inc_2")
        await two.sees(new)
        assert old not in two.seen
        keeper.hub.publish_directory("/d2", 6)
        await two.sees(6)

    scene(story)


def test_what_one_gate_knows_of_a_target_all_learn(scene: Scene) -> None:
    async def story(keeper: Keeper) -> None:
        one, two = await keeper.gate("inc_1"), await keeper.gate("inc_2")
        until = keeper.clock() + 10 * SECOND
        one.link.report(Report({"requests": 3.0}, {"openai/gpt": until, "glm/old": keeper.clock()}))
        two.link.report(Report({"requests": 4.0}, {"openai/gpt": until - 1}))
        for gate in (one, two):  # a report has no answer, but what comes after it has
            await gate.link.ask("rpm:key_1", 1, 10)
        keeper.clock.turn(seconds=1)
        keeper.hub.tick()
        keeper.hub.publish_rules(b"after")
        await two.sees(b"after")
        assert two.state.open_circuits == {"openai/gpt": until}
        assert two.state.fresh_until == keeper.clock() + 900 * SECOND
        assert {name: report.counters["requests"] for name, report in keeper.hub.reports.items()} == {
            "inc_1": 3.0,
            "inc_2": 4.0,
        }
        keeper.clock.turn(seconds=10)
        keeper.hub.tick()
        keeper.hub.publish_rules(b"later")
        await two.sees(b"later")
        assert two.state.open_circuits == {}

    scene(story)


def test_where_the_store_fails_a_gate_hears_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> int:
        raise StoreFailed("the disk is full")

    async def story(keeper: Keeper) -> None:
        keeper.budget(100)
        gate = await keeper.gate("inc_1")
        gate.link._patience_s = 0.05
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "lend", full)
            with pytest.raises(Unready):
                await gate.purses.borrow("tok:acc_1", 1, 1, 0, 0)
        gate.link._patience_s = 5
        assert (await gate.purses.borrow("tok:acc_1", 1, 1, 0, 0)).amount == 1

    scene(story)


async def say(path: Path, *wire: bytes) -> list[Any]:
    """Says it, and what the keeper says until it hangs up."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"".join(wire))
    writer.write_eof()
    heard = b""
    with suppress(ConnectionResetError):  # it hangs up on what it has not read
        heard = await reader.read()
    writer.close()
    return Unpacker[FromKeeper](FromKeeper).feed(heard)


def test_the_socket_is_ours_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(keeper: Keeper) -> None:
        assert stat.S_IMODE(keeper.path.stat().st_mode) == 0o600
        monkeypatch.setattr(module, "_is_ours", lambda writer: False)
        assert await say(keeper.path, pack(Hello(VERSION, "inc_1", 0, 1))) == []

    scene(story)


def test_a_gate_of_another_version_is_told_why(scene: Scene) -> None:
    async def story(keeper: Keeper) -> None:
        (answer,) = await say(keeper.path, pack(Hello(VERSION + 1, "inc_1", 0, 1)))
        assert isinstance(answer, Refuse) and f"version {VERSION}" in answer.reason

    scene(story)


@pytest.mark.parametrize(
    "wire",
    [b"\xff" * 8, b"\x02\x00\x00\x00hi", pack(Report({}, {})), pack(Tick(1)), pack(Hello(VERSION, "x", 0, 1)) * 2],
)
def test_garbage_ends_its_own_connection_only(scene: Scene, wire: bytes) -> None:
    async def story(keeper: Keeper) -> None:
        gate = await keeper.gate("inc_1")
        await say(keeper.path, wire)
        assert (await gate.link.ask("rpm:key_1", 1, 4)).amount == 1
        assert [hello.incarnation for hello in keeper.hub.here()] == ["inc_1"]

    scene(story)


def test_a_second_connection_takes_the_place_of_the_first(scene: Scene) -> None:
    async def story(keeper: Keeper) -> None:
        hello = pack(Hello(VERSION, "inc_1", 0, 1))
        first, first_writer = await asyncio.open_unix_connection(keeper.path)
        first_writer.write(hello)
        await first.read(1)
        second, second_writer = await asyncio.open_unix_connection(keeper.path)
        second_writer.write(hello)
        await second.read(1)
        assert keeper.hub.count == 1
        await first.read()
        for writer in (first_writer, second_writer):
            writer.close()

    scene(story)


def test_a_gate_that_goes_is_not_waited_for(scene: Scene) -> None:
    async def story(keeper: Keeper) -> None:
        keeper.budget(10)
        gone, stays = await keeper.gate("inc_1"), await keeper.gate("inc_2")
        assert (await gone.link.ask("tok:acc_1", 10, 0)).amount == 10
        await gone.leave()
        assert (await stays.link.ask("tok:acc_1", 1, 0)) == Grant(1, "tok:acc_1", 0)

    scene(story)
