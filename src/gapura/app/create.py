"""Keeper and gate on one event loop: the same code as `gapura serve`, without processes and listeners.

For tests and for embedding.  A home belongs to one such application, or to one `gapura serve`, at a time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgspec

from gapura import runtime
from gapura.app.gate import GateProcess
from gapura.app.home import Once, prepare
from gapura.app.keeper import Keeper
from gapura.app.serve import bind
from gapura.atlas import sources
from gapura.clock import Clock, system_clock
from gapura.gate.http import App
from gapura.request.accept import Receive, Scope, Send
from gapura.sandbox import base_urls, run
from gapura.settings import Settings


class Embedded(msgspec.Struct, frozen=True):
    """What runs: `app` is the gate's ASGI application, `once` what a new home tells once."""

    app: App
    keeper: Keeper
    gate: GateProcess
    once: Once


@asynccontextmanager
async def embedded(
    settings: Settings, *, sandbox: bool = False, clock: Clock = system_clock
) -> AsyncIterator[Embedded]:
    """A whole gateway on the running loop, until the block ends.  Raises as `gapura.app.serve.serve`."""
    async with AsyncExitStack() as stack:
        stack.enter_context(runtime.hold(settings.home))
        home = prepare(settings, sandbox=sandbox, clock=clock)
        simulators: dict[str, str] = {}
        if home.sandbox:
            listener = bind("127.0.0.1", 0, "the sandbox")
            simulators = base_urls(listener.getsockname()[1])
            stack.push_async_callback(_ended, asyncio.ensure_future(run(listener)))
        atlas = sources.load(settings.home, settings.documents, clock=clock)
        keeper = Keeper(settings, home, simulators, atlas, clock)
        await stack.enter_async_context(keeper.working())
        gate = GateProcess(settings, home, simulators, atlas, clock, 0)
        await stack.enter_async_context(gate.working())
        yield Embedded(gate.app, keeper, gate, home.once)


async def _ended(task: "asyncio.Future[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class Application:
    """An ASGI application that starts a gateway in its lifespan.  Serve it with `gapura.gate.edge.server`, whose
    sockets tell of a caller's hang-up at once; other servers tell when the next piece is sent."""

    def __init__(self, settings: Settings, *, sandbox: bool = False) -> None:
        self._settings, self._sandbox = settings, sandbox
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with embedded(self._settings, sandbox=self._sandbox) as running:
            self._app = running.app
            await send({"type": "lifespan.startup.complete"})
            await receive()
        self._app = None
        await send({"type": "lifespan.shutdown.complete"})


def create_app(settings: Settings, *, sandbox: bool = False) -> Application:
    """A gateway as one ASGI application; run its server with `lifespan="on"`."""
    return Application(settings, sandbox=sandbox)
