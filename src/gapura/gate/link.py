"""A gate's connection to the keeper: kept up, made again, and never waited for longer than a request can bear.

While the keeper is away the gate goes on with the state that it has, until `fresh_until`; what it must borrow for is
refused.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog

from gapura.clock import SECOND
from gapura.errors import Unready
from gapura.gate.purses import Purses
from gapura.terms.link import (
    VERSION,
    Ask,
    Delta,
    Found,
    FromKeeper,
    GiveBack,
    Grant,
    Hello,
    Inquire,
    NewAtlas,
    NewDirectory,
    NewRules,
    NextRules,
    Recall,
    Refuse,
    Remember,
    Report,
    Tick,
    Told,
    Welcome,
)
from gapura.wire.frames import FrameError, Unpacker, pack

# How long a request waits for the keeper's answer.
PATIENCE_S = 2.0

# Between attempts to connect; doubled each time up to the second one.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.05, 1.0

CHUNK = 64 * 1024

log = structlog.get_logger()


@dataclass(slots=True)
class State:
    """What the keeper's messages change.  `max_age_s`: how long the rules and the directory are good without it;
    `fresh_until` (UTC microseconds) is when that is over, 0 before the first Welcome."""

    on_rules: Callable[[bytes], None]
    on_next: Callable[[bytes], None]
    on_atlas: Callable[[NewAtlas], None]
    on_directory: Callable[[str, int], None]
    on_delta: Callable[[Delta], None]
    purses: Purses
    max_age_s: float
    fresh_until: int = 0
    open_circuits: dict[str, int] = field(default_factory=dict)

    def seen(self, at: int) -> None:
        self.fresh_until = at + int(self.max_age_s * SECOND)


class Link:
    """`gate` is the number of the gate's process, `incarnation` the name of its journal."""

    def __init__(self, path: Path, incarnation: str, gate: int, pid: int, *, patience_s: float = PATIENCE_S) -> None:
        self.connected = False
        self._path, self._patience_s = path, patience_s
        self._hello = Hello(VERSION, incarnation, gate, pid)
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[Any]] = {}  # the answers that are waited for
        self._n = 0

    async def run(self, state: State) -> None:
        """Until it is cancelled.  Raises Unready where the keeper refuses this gate: it must be started anew."""
        pause = FIRST_PAUSE_S
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    await self._talk(reader, writer, state)
                except FrameError as error:
                    log.warning("the keeper's connection broke", error=str(error))
                finally:
                    pause = FIRST_PAUSE_S if self.connected else pause
                    self._hang_up()
                    writer.close()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_S)

    async def ask(self, purse: str, want: int, limit: int) -> Grant:
        """What the keeper lends; it is in the purse by then.  Raises Unready where it is away, or silent."""
        self._n += 1
        grant: Grant = await self._answered(Ask(self._n, purse, want, limit), "check the account's limits")
        return grant

    async def remember(
        self, what: Literal["keep", "find", "drop"], account: str, name: str, sealed: bytes = b""
    ) -> bytes:
        """What the keeper has of that name, or had.  Raises Unready as `ask`, and FrameError where it is too long."""
        self._n += 1
        found: Found = await self._answered(Remember(self._n, what, account, name, sealed), "look up what is kept")
        return found.sealed

    async def _answered(self, message: Ask | Inquire | Remember, to: str, patience_s: float = 0) -> Any:
        if not self._send(message):
            raise Unready(f"This gateway cannot {to} now. Try again in a moment.")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[message.n] = answer
        try:
            async with asyncio.timeout(patience_s or self._patience_s):
                return await answer
        except TimeoutError as error:
            raise Unready(f"This gateway could not {to} in time. Try again.") from error
        finally:
            self._asked.pop(message.n, None)

    async def inquire(self, account: str, path: str, query: str, patience_s: float) -> Told:
        """What the keeper knows of an account's use.  Raises Unready where it is away, or takes longer."""
        self._n += 1
        told: Told = await self._answered(Inquire(self._n, account, path, query), "look up what was used", patience_s)
        return told

    def give_back(self, back: GiveBack) -> None:
        """Where the keeper is away, it sees at the next Hello what this gate has let go of."""
        self._send(back)

    def report(self, report: Report) -> None:
        self._send(report)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: State) -> None:
        purses = state.purses
        hello = msgspec.structs.replace(self._hello, purses=purses.held(), lent=purses.lent())
        writer.write(pack(hello))
        unpacker: Unpacker[FromKeeper] = Unpacker(FromKeeper)
        while data := await reader.read(CHUNK):
            for message in unpacker.feed(data):
                if isinstance(message, Welcome):
                    self._writer, self.connected = writer, True
                self._hear(message, state)

    def _hear(self, message: FromKeeper, state: State) -> None:
        match message:
            case Grant():
                state.purses.add(message)
                self._answer(message)
            case Found() | Told():
                self._answer(message)
            case Recall():
                self._send(state.purses.recall(message.purse))
            case Tick():
                state.open_circuits = message.open_circuits
                state.seen(message.at)
            case Welcome():
                state.on_rules(message.rulebook)
                state.on_next(message.shadow)
                if message.atlas is not None:
                    state.on_atlas(message.atlas)
                state.on_directory(message.directory, message.seq)
                state.seen(message.at)
            case Refuse():
                raise Unready(message.reason)
            case _:
                _learn(message, state)

    def _answer(self, message: Grant | Found | Told) -> None:
        if (answer := self._asked.get(message.n)) and not answer.done():
            answer.set_result(message)

    def _send(self, message: msgspec.Struct) -> bool:
        if self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(pack(message))
        return True

    def _hang_up(self) -> None:
        self._writer, self.connected = None, False
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Unready("The connection to the keeper broke. Try again in a moment."))


def _learn(message: NewRules | NextRules | NewAtlas | NewDirectory | Delta, state: State) -> None:
    """What shall be, or a part of it, is another now."""
    match message:
        case NewRules():
            state.on_rules(message.rulebook)
        case NextRules():
            state.on_next(message.rulebook)
        case NewAtlas():
            state.on_atlas(message)
        case NewDirectory():
            state.on_directory(message.directory, message.seq)
        case Delta():
            state.on_delta(message)
