"""A gate and a keeper over a real socket: what is told arrives, what is lent is counted, whoever goes away."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gapura.clock import SECOND, TurnableClock
from gapura.errors import Unready
from gapura.gate.link import Link, State
from gapura.gate.purses import Purses
from gapura.terms.link import (
    VERSION,
    Ask,
    Delta,
    FromGate,
    GiveBack,
    Grant,
    Hello,
    NewAtlas,
    NewDirectory,
    NewRules,
    Recall,
    Refuse,
    Report,
    Tick,
    Welcome,
)
from gapura.wire.frames import Unpacker, pack

WELCOME = Welcome(b"rules 1", "/d/1.dir", 1, 10 * SECOND)


class Keeper:
    """Listens at `path`, notes what it hears and says what the test tells it to."""

    def __init__(self, path: Path) -> None:
        self.path, self.heard = path, asyncio.Queue[Any]()
        self._writer: asyncio.StreamWriter | None = None

    @asynccontextmanager
    async def there(self) -> Any:
        server = await asyncio.start_unix_server(self._serve, self.path)
        try:
            yield self
        finally:
            server.close()
            if self._writer is not None:
                self._writer.close()

    async def hears(self, message: msgspec.Struct) -> None:
        assert await self.heard.get() == message

    def says(self, *messages: msgspec.Struct) -> None:
        assert self._writer is not None
        self._writer.write(b"".join(map(pack, messages)))

    def babbles(self) -> None:
        assert self._writer is not None
        self._writer.write(b"\xff\xff\xff\xff")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        unpacker: Unpacker[FromGate] = Unpacker(FromGate)
        while data := await reader.read(1000):
            for message in unpacker.feed(data):
                self.heard.put_nowait(message)
        writer.close()


class Gate:
    def __init__(self, path: Path, patience_s: float = 5) -> None:
        self.seen: list[Any] = []
        self.changed = asyncio.Event()
        self.link = Link(path, "inc_1", 3, 42, patience_s=patience_s)
        self.purses = Purses(self.link.ask, TurnableClock(0))
        self.state = State(
            self._see,
            lambda beside: self._see(("beside", beside)) if beside else None,
            self._see,
            lambda path, seq: self._see((path, seq)),
            self._see,
            self.purses,
            max_age_s=900,
        )

    def _see(self, what: Any) -> None:
        self.seen.append(what)
        self.changed.set()

    async def sees(self, *what: Any) -> None:
        while self.seen[: len(what)] != list(what):
            self.changed.clear()
            await self.changed.wait()
        del self.seen[: len(what)]


def scene(tmp_path: Path, story: Callable[[Keeper, Gate], Awaitable[None]], patience_s: float = 5) -> None:
    async def play() -> None:
        keeper, gate = Keeper(tmp_path / "s"), Gate(tmp_path / "s", patience_s)
        running = asyncio.create_task(gate.link.run(gate.state))
        try:
            async with asyncio.timeout(60):
                await story(keeper, gate)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError, Unready):
                await running

    asyncio.run(play())


async def welcome(keeper: Keeper, gate: Gate, hello: Hello | None = None) -> None:
    await keeper.hears(hello or Hello(VERSION, "inc_1", 3, 42))
    keeper.says(WELCOME)
    await gate.sees(b"rules 1", ("/d/1.dir", 1))


def test_what_the_keeper_tells_is_known(tmp_path: Path) -> None:
    async def story(keeper: Keeper, gate: Gate) -> None:
        async with keeper.there():
            await welcome(keeper, gate)
            assert gate.link.connected
            assert gate.state.fresh_until == (10 + 900) * SECOND
            delta = Delta(2, {}, {})
            news = (NewRules(b"rules 2"), delta, NewAtlas("v2", b"{}"), NewDirectory("/d/2.dir", 2))
            keeper.says(Tick(20 * SECOND, {"openai": 99}), *news)
            await gate.sees(b"rules 2", delta, NewAtlas("v2", b"{}"), ("/d/2.dir", 2))
            assert gate.state.fresh_until == (20 + 900) * SECOND
            assert gate.state.open_circuits == {"openai": 99}

    scene(tmp_path, story)


def test_a_welcome_tells_of_place_data_before_anybody_is_served(tmp_path: Path) -> None:
    async def story(keeper: Keeper, gate: Gate) -> None:
        async with keeper.there():
            await keeper.hears(Hello(VERSION, "inc_1", 3, 42))
            keeper.says(msgspec.structs.replace(WELCOME, atlas=NewAtlas("v1")))
            await gate.sees(b"rules 1", NewAtlas("v1"), ("/d/1.dir", 1))

    scene(tmp_path, story)


def test_a_question_is_answered_and_the_grant_is_in_the_purse(tmp_path: Path) -> None:
    async def story(keeper: Keeper, gate: Gate) -> None:
        async with keeper.there():
            await welcome(keeper, gate)
            asking = asyncio.create_task(gate.purses.borrow("tok:acc_1", 5, 5, 0, 0))
            await keeper.hears(Ask(1, "tok:acc_1", 5))
            keeper.says(Grant(1, "tok:acc_1", 8))
            assert (await asking).amount == 5
            keeper.says(Recall("tok:acc_1"), Recall("rpm:key_1"))
            await keeper.hears(GiveBack("tok:acc_1", 3))
            await keeper.hears(GiveBack("rpm:key_1", 0))
            gate.link.report(Report({"requests": 1.0}, {}))
            await keeper.hears(Report({"requests": 1.0}, {}))

    scene(tmp_path, story)


def test_without_a_keeper_a_question_fails_at_once(tmp_path: Path) -> None:
    async def story(keeper: Keeper, gate: Gate) -> None:
        with pytest.raises(Unready):
            await gate.link.ask("tok:acc_1", 5, 0)
        gate.link.give_back(GiveBack("tok:acc_1", 5))

    scene(tmp_path, story)


def test_a_silent_keeper_is_not_waited_for_and_a_late_grant_is_kept(tmp_path: Path) -> None:
    async def story(keeper: Keeper, gate: Gate) -> None:
        async with keeper.there():
            await welcome(keeper, gate)
            with pytest.raises(Unready, match="in time"):
                await gate.purses.borrow("tok:acc_1", 5, 5, 0, 0)
            keeper.says(Grant(1, "tok:acc_1", 5), NewRules(b"after"))
            await gate.sees(b"after")
            assert gate.purses.take("tok:acc_1", 5, 0)

    scene(tmp_path, story, patience_s=0.01)


def test_a_keeper_that_goes_is_found_again_and_told_what_is_held(tmp_path: Path) -> None:
    async def story(keeper: Keeper, gate: Gate) -> None:
        async with keeper.there():
            await welcome(keeper, gate)
            keeper.says(Grant(0, "tok:acc_1", 8), NewRules(b"x"))
            await gate.sees(b"x")
            assert gate.purses.take("tok:acc_1", 5, 0)
            asking = asyncio.create_task(gate.link.ask("tok:acc_1", 9, 0))
            await keeper.hears(Ask(1, "tok:acc_1", 9))
        with pytest.raises(Unready, match="broke"):
            await asking
        assert gate.state.fresh_until > 0
        async with keeper.there():
            await welcome(keeper, gate, Hello(VERSION, "inc_1", 3, 42, purses={"tok:acc_1": 3}, lent={"tok:acc_1": 8}))
            again = asyncio.create_task(gate.link.ask("tok:acc_1", 9, 0))
            await keeper.hears(Ask(2, "tok:acc_1", 9))
            keeper.says(Grant(2, "tok:acc_1", 9))
            assert (await again).amount == 9

    scene(tmp_path, story)


def test_what_is_no_frame_ends_the_connection_not_the_gate(tmp_path: Path) -> None:
    async def story(keeper: Keeper, gate: Gate) -> None:
        async with keeper.there():
            await welcome(keeper, gate)
            keeper.babbles()
            await welcome(keeper, gate)

    scene(tmp_path, story)


def test_a_gate_that_is_refused_ends(tmp_path: Path) -> None:
    async def play() -> None:
        keeper, gate = Keeper(tmp_path / "s"), Gate(tmp_path / "s")
        async with keeper.there():
            running = asyncio.create_task(gate.link.run(gate.state))
            await keeper.heard.get()
            keeper.says(Refuse("restart it"))
            with pytest.raises(Unready, match="restart it"):
                await running

    asyncio.run(play())
