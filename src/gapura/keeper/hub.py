"""The keeper's Unix socket: gates come in, learn what shall be, and borrow what they may spend.

A gate is known by its incarnation.  It gets the whole state when it comes, and what changes while it stays; whoever
reads too slowly is disconnected and gets the whole state again.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from gapura.clock import Clock
from gapura.store.base import StoreFailed
from gapura.terms.link import (
    VERSION,
    Ask,
    Delta,
    Found,
    FromGate,
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

TICK_S = 1.0

# How long gates have to answer a recall while somebody waits for what they do not hold.
RECALL_S = 0.5

# What may wait to be read by one gate.
BACKLOG = 64 * 1024 * 1024

CHUNK = 64 * 1024

log = structlog.get_logger()


class Lender(Protocol):
    """The part of `lending.Lending` that the hub needs."""

    async def join(self, hello: Hello) -> bool: ...
    async def answer(self, incarnation: str, ask: Ask, gates: "Hub") -> Grant: ...
    async def give_back(self, incarnation: str, back: GiveBack) -> None: ...


class Rememberer(Protocol):
    """The part of `remembering.Remembering` that the hub needs."""

    async def answer(self, asked: Remember) -> Found: ...


class _Gate:
    def __init__(self, hello: Hello, writer: asyncio.StreamWriter) -> None:
        self.hello, self.name = hello, hello.incarnation
        self.here, self.left = True, asyncio.Event()
        self._writer = writer

    def send(self, message: msgspec.Struct) -> None:
        if self._writer.transport.get_write_buffer_size() > BACKLOG:
            self._writer.transport.abort()
        elif not self._writer.is_closing():
            self._writer.write(pack(message))

    def close(self) -> None:
        self._writer.close()


class Hub:
    """`welcome` gives the whole state as it is now.  `reports` is the last word of each gate that ever came.
    `remembering` keeps what gates want kept; without it nothing is.  `on_inquiry` answers
    what callers ask of their use."""

    def __init__(
        self,
        lender: Lender,
        welcome: Callable[[], Welcome],
        clock: Clock,
        *,
        recall_s: float = RECALL_S,
        remembering: Rememberer | None = None,
    ) -> None:
        self._remembering = remembering
        self.reports: dict[str, Report] = {}
        self.on_inquiry: Callable[[Inquire], Awaitable[Told]] | None = None
        self._lender, self._welcome, self._clock, self._recall_s = lender, welcome, clock, recall_s
        self._gates: dict[str, _Gate] = {}
        self._deltas: list[Delta] = []
        self._recalled: dict[tuple[str, str], asyncio.Event] = {}
        self._server: asyncio.Server | None = None

    @property
    def count(self) -> int:
        return sum(gate.here for gate in self._gates.values())

    def here(self) -> list[Hello]:
        """The gates that are connected, as they introduced themselves."""
        return sorted((gate.hello for gate in self._gates.values() if gate.here), key=lambda hello: hello.gate)

    async def start(self, path: Path) -> None:
        """Listens; the socket is 0600, and only processes of this user (or root) are let in."""
        self._server = await asyncio.start_unix_server(self._serve, sock=_bound(path))

    async def run(self) -> None:
        """Tells every second that the keeper is there; until it is cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(TICK_S)

    async def close(self) -> None:
        """Disconnects every gate; they go on with what they have."""
        if self._server is not None:
            self._server.close()
        gates = list(self._gates.values())
        for gate in gates:
            gate.close()
        for gate in gates:
            await gate.left.wait()

    def tick(self) -> None:
        now = self._clock()
        circuits: dict[str, int] = {}
        for report in self.reports.values():  # the last word of each: a circuit that it no longer names is closed
            for target, until in report.open_circuits.items():
                if until > max(now, circuits.get(target, 0)):
                    circuits[target] = until
        self._tell(Tick(now, circuits))

    def publish_rules(self, rulebook: bytes) -> None:
        self._tell(NewRules(rulebook))

    def publish_next(self, rulebook: bytes) -> None:
        self._tell(NextRules(rulebook))

    def publish_atlas(self, atlas: NewAtlas) -> None:
        self._tell(atlas)

    def publish_directory(self, path: str, seq: int) -> None:
        """The file holds everything up to `seq`; what changed since is told again, behind it."""
        self._deltas = [delta for delta in self._deltas if delta.seq > seq]
        for message in (NewDirectory(path, seq), *self._deltas):
            self._tell(message)

    def publish_delta(self, delta: Delta) -> None:
        self._deltas.append(delta)
        self._tell(delta)

    def call_back(self, purse: str) -> None:
        """There is less of it, or none any more: what gates do not hold comes back.  Nobody waits for it."""
        self._tell(Recall(purse))

    async def recall(self, purse: str, incarnations: Collection[str]) -> None:
        """Returns when those of them that are here have given back what they do not hold, or time is up."""
        waiting = []
        for name in incarnations:
            if (gate := self._gates.get(name)) and gate.here:
                waiting.append(self._recalled.setdefault((name, purse), asyncio.Event()))
                gate.send(Recall(purse))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._recall_s):
                for answered in waiting:
                    await answered.wait()
        for name in incarnations:
            self._recalled.pop((name, purse), None)

    def _tell(self, message: msgspec.Struct) -> None:
        for gate in self._gates.values():
            gate.send(message)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gate = None
        try:
            if not _is_ours(writer):
                log.warning("a process of another user was turned away from the keeper's socket")
                return
            unpacker: Unpacker[FromGate] = Unpacker(FromGate)
            async with asyncio.TaskGroup() as tasks:
                while data := await reader.read(CHUNK):
                    for message in unpacker.feed(data):
                        if gate is not None:
                            self._hear(gate, message, tasks)
                        elif (gate := await self._meet(message, writer)) is None:
                            await writer.drain()
                            return
                if gate is not None:
                    self._miss(gate)
        except* (FrameError, StoreFailed, OSError) as broken:
            log.warning("a gate's connection broke", errors=[str(error) for error in broken.exceptions])
        finally:
            if gate is not None:
                self._leave(gate)
            writer.close()

    async def _meet(self, hello: FromGate, writer: asyncio.StreamWriter) -> _Gate | None:
        if not isinstance(hello, Hello):
            raise FrameError("the first message was no Hello")
        if hello.version != VERSION:
            reason = f"this keeper speaks version {VERSION} of the protocol, the gate {hello.version}; restart it"
            writer.write(pack(Refuse(reason)))
            return None
        if before := self._gates.get(hello.incarnation):
            # What is still under way there must be over before anybody counts what has arrived.
            before.close()
            await before.left.wait()
        if not await self._lender.join(hello):
            writer.write(pack(Refuse("this gate was taken for dead and its journal closed; restart it")))
            return None
        gate = self._gates[hello.incarnation] = _Gate(hello, writer)
        welcome = self._welcome()
        gate.send(welcome)
        for delta in self._deltas:
            if delta.seq > welcome.seq:
                gate.send(delta)
        return gate

    def _miss(self, gate: _Gate) -> None:
        """It hears nothing any more; nobody shall wait for it."""
        gate.here = False
        for (name, _), answered in self._recalled.items():
            if name == gate.name:
                answered.set()

    def _leave(self, gate: _Gate) -> None:
        """Nothing is under way for it any more, either."""
        self._miss(gate)
        if self._gates.get(gate.name) is gate:
            del self._gates[gate.name]
        gate.left.set()

    def _hear(self, gate: _Gate, message: FromGate, tasks: asyncio.TaskGroup) -> None:
        match message:
            case Ask():
                tasks.create_task(self._answer(gate, message))
            case Remember():
                tasks.create_task(self._remember(gate, message))
            case Inquire():
                tasks.create_task(self._tell_use(gate, message))
            case GiveBack():
                tasks.create_task(self._take_back(gate, message))
            case Report():
                self.reports[gate.name] = message
            case Hello():
                raise FrameError("a second Hello")

    async def _answer(self, gate: _Gate, ask: Ask) -> None:
        try:
            gate.send(await self._lender.answer(gate.name, ask, self))
        except StoreFailed as error:  # the gate hears nothing, and refuses for now
            log.warning("nothing can be lent", purse=ask.purse, error=str(error))

    async def _remember(self, gate: _Gate, asked: Remember) -> None:
        try:
            if self._remembering is not None:
                gate.send(await self._remembering.answer(asked))
        except StoreFailed as error:  # the gate hears nothing, and goes on without
            log.warning("nothing can be remembered", what=asked.what, error=str(error))

    async def _tell_use(self, gate: _Gate, asked: Inquire) -> None:
        if self.on_inquiry is not None:
            gate.send(await self.on_inquiry(asked))

    async def _take_back(self, gate: _Gate, back: GiveBack) -> None:
        try:
            await self._lender.give_back(gate.name, back)
        except StoreFailed as error:  # it stays in the gate's slice, and comes back when that is closed
            log.warning("what a gate gave back is not booked yet", purse=back.purse, error=str(error))
        if answered := self._recalled.get((gate.name, back.purse)):
            answered.set()


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.unlink(missing_ok=True)
    before = os.umask(0o177)  # the mode that the socket is born with: nobody gets in between bind and chmod
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    return listener


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    """Whether the other end is this user or root; where the system does not tell, the socket's mode has decided."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as peer:
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return uid in {0, os.getuid()}
