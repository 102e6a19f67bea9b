"""What one connection takes from others: their turn, and memory."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from gapura.providers.connection import TURN_BYTES, Connection
from gapura.providers.transport import Deadlines, Transport, upstream

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
PATIENT = Deadlines(connect_s=20, first_byte_s=20, idle_s=20)
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collector, which would find cycles some time later."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> int:
    return sum(isinstance(thing, Connection) for thing in gc.get_objects())


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_what_nobody_read_goes_with_the_connection(run: Run) -> None:
    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + bytes(100_000))
        while await reader.read(1000):
            pass
        writer.close()
        left.set()

    async def main() -> None:
        server = await asyncio.start_server(vendor, "127.0.0.1", 0)
        to = upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        transport = Transport()
        answer = await transport.send(to, "/", [], b"", PATIENT)
        found.append(alive())
        answer.close()
        await left.wait()
        found.append(alive())
        server.close()

    left = asyncio.Event()
    found: list[int] = []
    run(main())
    assert found == [1, 0]


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_a_flood_leaves_others_their_turn(run: Run) -> None:
    """A vendor that sends much at once, in chunks as small as events."""
    events = [b"%06d" % number * 20 for number in range(10_000)]

    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n")
        await reader.read()
        writer.close()
        left.set()

    async def other() -> None:
        while True:
            turns.append(len(taken))
            await asyncio.sleep(0)

    async def main() -> None:
        server = await asyncio.start_server(vendor, "127.0.0.1", 0)
        to = upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        transport = Transport()
        answer = await transport.send(to, "/", [], b"", PATIENT)
        busy = asyncio.ensure_future(other())
        while came := await answer.read():
            taken.append(came)
        busy.cancel()
        await transport.close()
        await left.wait()
        server.close()

    left = asyncio.Event()
    taken: list[bytes] = []
    turns: list[int] = []
    run(main())
    assert b"".join(taken) == b"".join(events)
    assert max(map(len, taken)) < TURN_BYTES + len(events[0])
    assert set(range(1, len(taken))) <= set(turns)  # between any two reads somebody else was served
