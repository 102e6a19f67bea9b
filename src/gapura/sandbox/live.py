"""A running sandbox for tests and trials: its own thread and loop, a free loopback port.

with running() as live:
    client = OpenAI(base_url=live.urls["openai"], api_key="any")
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import NamedTuple

from gapura.clock import Clock, system_clock
from gapura.sandbox.edge import Seen
from gapura.sandbox.server import Sandbox, base_urls, more_urls, native_url, run


class Live(NamedTuple):
    """`seen` tells what each provider's simulator was asked; read it, do not write."""

    port: int
    urls: dict[str, str]
    native: str
    more: dict[str, str]
    seen: dict[str, Seen]


@contextmanager
def running(clock: Clock = system_clock) -> Iterator[Live]:
    """Serves until the block is left; every connection is closed then."""
    sandbox = Sandbox(clock)
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    begun = Event()
    handle: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def serve() -> None:
        task = asyncio.get_running_loop().create_task(run(sock, sandbox, begun.set))
        handle.append((asyncio.get_running_loop(), task))
        with suppress(asyncio.CancelledError):
            await task

    thread = Thread(target=asyncio.run, args=(serve(),), name="gapura-sandbox", daemon=True)
    thread.start()
    begun.wait()
    try:
        yield Live(port, base_urls(port), native_url(port), more_urls(port), sandbox.seen)
    finally:
        loop, task = handle[0]
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
