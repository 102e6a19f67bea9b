"""What a connection leaves behind."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from gapura.providers.connection import Connection
from gapura.providers.transport import Deadlines, Transport, upstream

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + bytes(100_000)


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
def test_what_nobody_read_goes_with_the_connection(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        while await reader.read(1000):
            pass
        writer.close()
        left.set()

    async def main() -> None:
        server = await asyncio.start_server(vendor, "127.0.0.1", 0)
        to = upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        transport = Transport()
        answer = await transport.send(to, "/", [], b"", Deadlines(connect_s=20, first_byte_s=20, idle_s=20))
        found.append(alive())
        answer.close()
        await left.wait()
        found.append(alive())
        server.close()

    left = asyncio.Event()
    found: list[int] = []
    run(main())
    assert found == [1, 0]
