"""What gates and the keeper share as processes: an event loop that ends when it is told to, and servers on it."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import uvicorn
import uvloop

from gapura.gate import edge
from gapura.gate.head import Limits
from gapura.settings import Settings
from gapura.supervisor import Life

# After so many more objects were made than went, the interpreter looks for cycles; 700 is its own number.
GARBAGE = 50_000


def limits(settings: Settings, hosts: frozenset[str] = frozenset()) -> Limits:
    """The edge's limits, as the operator set them."""
    return Limits(
        header_count=settings.max_headers,
        header_bytes=settings.max_header_bytes,
        body_bytes=settings.max_body_bytes,
        head_s=settings.header_s,
        body_s=settings.body_s,
        body_idle_s=min(settings.body_s, Limits().body_idle_s),
        write_s=settings.read_s,
        keep_alive_s=settings.keep_alive_s,
        hosts=hosts,
    )


def server(
    app: Any,
    settings: Settings,
    hosts: frozenset[str] = frozenset(),
    protocol: type[edge.EdgeProtocol] = edge.EdgeProtocol,
) -> uvicorn.Server:
    """A server that ends when `should_exit` is set, and leaves signals to the process."""
    made = edge.server(app, limits=limits(settings, hosts), drain_s=settings.drain_s, protocol=protocol)
    made.capture_signals = nullcontext  # type: ignore[assignment,method-assign]  # several servers share this process
    return made


def run(life: Life, main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main` until it returns; its argument is set on SIGTERM, and when the supervisor is gone."""

    # What was loaded by now stays, and is shared with the process that this one was forked from: it is not looked
    # through again.  A request leaves no cycles, and some thousand of them at once are no garbage.
    gc.freeze()
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])

    async def process() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()

        def orphaned() -> None:
            loop.remove_reader(life.lifeline)
            signal.setitimer(signal.ITIMER_REAL, life.patience_s)  # SIGALRM ends whoever hangs
            stop.set()

        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_reader(life.lifeline, orphaned)
        try:
            await main(stop)
        finally:
            loop.remove_reader(life.lifeline)

    uvloop.run(process())
