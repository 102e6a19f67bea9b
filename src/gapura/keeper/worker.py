"""A process of the keeper for what takes long: asked over a pipe, it answers over another.

The keeper's loop only waits.  The process is started when it is first needed, and again where it died: whoever waited
for it is told, and asks again or not.  When the keeper is gone its end of the pipe closes; the process ends what it
has begun, begins nothing more, and goes.
"""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from gapura.errors import Unready
from gapura.wire.frames import FrameError, Unpacker, pack

T = TypeVar("T")
Task = Callable[[bytes], Awaitable[bytes]]
"""Takes and gives msgpack."""

log = structlog.get_logger()

CHUNK = 256 * 1024
GRACE_S = 20.0
"""So long may what was begun take, once the keeper is gone or says so."""


class Asked(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    number: int
    task: str
    body: bytes


class Told(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """`error` "": it succeeded."""

    number: int
    body: bytes
    error: str = ""


class WorkerFailed(Unready):
    """A task raised, in its own words; or the process died, and nobody knows how far it came."""

    code = "worker_failed"


class Worker:
    """The keeper's side.  `argv` is the program; it reads frames on descriptor 0 and writes them on 1."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int:
        """0 where none runs."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    async def ask(self, task: str, body: Any, kind: type[T]) -> T:
        """Raises WorkerFailed."""
        process = await self._running()
        assert process.stdin is not None  # noqa: S101 - a pipe, as it was started
        number = next(self._numbers)
        waiting = self._waiting
        waiting[number] = answer = asyncio.get_running_loop().create_future()
        try:
            process.stdin.write(pack(Asked(number, task, msgspec.msgpack.encode(body))))
            await process.stdin.drain()
            return msgspec.msgpack.decode(await answer, type=kind)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerFailed("the worker process is gone") from error
        finally:
            waiting.pop(number, None)

    async def close(self) -> None:
        """Until it has ended what it began; at most GRACE_S."""
        if self._process is None or self._reading is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(GRACE_S + 1):
                await self._reading
        except TimeoutError:
            self._process.kill()
            await self._reading

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is None or self._process.returncode is not None or self._process.stdin is None:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
                )
                self._waiting = {}  # each process owes its own answers
                self._reading = asyncio.ensure_future(self._read(self._process, self._waiting))
            return self._process

    async def _read(self, process: asyncio.subprocess.Process, waiting: dict[int, asyncio.Future[bytes]]) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe, as it was started
        unpacker = Unpacker[Told](Told)
        try:
            while data := await process.stdout.read(CHUNK):
                for told in unpacker.feed(data):
                    _settle(waiting.get(told.number), told)
        except FrameError as error:
            log.warning("the worker process speaks nonsense", error=str(error))
            process.kill()
        status = await process.wait()
        if waiting:
            log.warning("the worker process died", status=status, tasks=len(waiting))
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(WorkerFailed(f"the worker process ended ({status}) before it had answered"))


def _settle(answer: "asyncio.Future[bytes] | None", told: Told) -> None:
    if answer is None or answer.done():
        return
    if told.error:
        answer.set_exception(WorkerFailed(told.error))
    else:
        answer.set_result(told.body)


async def serve(tasks: Mapping[str, Task]) -> None:
    """The process's side, until nobody asks any more.  What tasks print goes to the standard error."""
    asks, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    loop, unpacker = asyncio.get_running_loop(), Unpacker[Asked](Asked)
    running: set[asyncio.Task[None]] = set()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(asks, "rb", 0))
    while data := await reader.read(CHUNK):
        for asked in unpacker.feed(data):
            task = asyncio.ensure_future(_answer(tasks, asked, answers))
            running.add(task)
            task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running, timeout=GRACE_S)
    transport.close()


async def _answer(tasks: Mapping[str, Task], asked: Asked, answers: int) -> None:
    try:
        told = Told(asked.number, await tasks[asked.task](asked.body))
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who asked
        told = Told(asked.number, b"", f"{type(error).__name__}: {error}")
    _write(answers, pack(told))


def _write(descriptor: int, data: bytes) -> None:
    """A pipe takes what fits; the keeper reads all the time.  One that is gone hears nothing more."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        return
