"""A keeper and two gates on one loop, each with a clock of its own that the test turns; asked without sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.app.running import KEY

from gapura import runtime
from gapura.app.gate import GateProcess
from gapura.app.home import prepare
from gapura.app.keeper import Keeper
from gapura.app.serve import bind
from gapura.atlas import sources
from gapura.clock import SECOND, TurnableClock, instant
from gapura.console.api import PREFIX, admin
from gapura.sandbox import base_urls, run
from gapura.settings import Settings

PATIENCE = 10_000


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def effect(self) -> str:
        return self.headers["gapura-decision"].partition(";")[0]


async def asgi(app: Any, method: str, path: str, body: Any = None, **headers: str) -> Said:
    """One exchange without a socket; a document that is no JSON is sent as it is."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    bare, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": bare,
        "raw_path": bare.encode(), "query_string": query.encode(), "root_path": "", "scheme": "http",
        "client": ("127.0.0.1", 1), "extensions": {},
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    given, status, found, pieces = [raw], 0, {}, []

    async def receive() -> dict[str, Any]:
        if not given:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": given.pop(), "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            found.update({name.decode(): value.decode() for name, value in message["headers"]})
        else:
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    return Said(status, found, b"".join(pieces))


class Gateway:
    """A keeper and two gates, each with a clock of its own."""

    def __init__(self, keeper: Keeper, gates: list[GateProcess], clocks: list[TurnableClock]) -> None:
        self.keeper, self.gates, self.clocks = keeper, gates, clocks
        self._admin = admin(keeper.context, local=True)

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        said = await asgi(self._admin, method, PREFIX + path, body)
        assert said.status < 300, said.body
        return json.loads(said.body)

    async def chat(self, come: str, key: str = KEY, gate: int = 0) -> Said:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Halo"}]}
        headers = {"authorization": f"Bearer {key}", "x_forwarded_for": come}
        return await asgi(self.gates[gate].app, "POST", "/v1/chat/completions", body, **headers)

    async def turn(self, stamp: str, *, second: float = 0) -> None:
        """All clocks to this instant; the second gate's is so many seconds ahead."""
        at = instant(stamp)
        for clock, ahead in zip(self.clocks, (0, 0, second), strict=True):
            clock.turn(seconds=(at - clock()) / SECOND + ahead)
        self.keeper.hub.tick()
        await until(lambda: all(gate.state.fresh_until >= at for gate in self.gates))

    async def key(self, account: str) -> str:
        await self.api("POST", "/accounts", {"external_id": account})
        found = await self.api("GET", f"/accounts?external_id={account}")
        made = await self.api("POST", "/keys", {"account_id": found["items"][0]["id"], "name": account})
        return str(made["secret"])

    async def activate(self, version: str, reason: str) -> None:
        """Until both gates have it."""
        body = {"confirm": version, "reason": reason}
        await self.api("POST", f"/policies/versions/{version}/activate", body)
        await until(lambda: all(gate.gate.rules.book == self.keeper.rules.book for gate in self.gates))

    async def renewed(self) -> None:
        """Both gates have the keeper's place data."""
        version = self.keeper.placing.atlas.version
        await until(lambda: all(gate.gate.places.atlas.version == version for gate in self.gates))


@asynccontextmanager
async def gateway(
    home: Path, start: str, documents: Mapping[str, Any] = MappingProxyType({}), **more: str
) -> AsyncIterator[Gateway]:
    """Two gates on one loop with their keeper and the sandbox; the file has no policies.  `documents`: what it has
    besides; `more`: settings."""
    (home / "gapura.toml").write_text('[routes.gpt-4o-mini]\ntargets = ["openai/gpt-4o-mini"]\n')
    given = {"GAPURA_JOURNAL_FSYNC_MS": "0", "GAPURA_SITE_TERRITORY": "SG", "GAPURA_BOOTSTRAP_KEY": KEY}
    settings = Settings.load(given | {"GAPURA_TRUSTED_PROXIES": "127.0.0.1/32"} | more, documents, home)
    clocks = [TurnableClock(instant(start)) for _ in range(3)]
    async with AsyncExitStack() as stack:
        stack.enter_context(runtime.hold(settings.home))
        made = prepare(settings, sandbox=True, clock=clocks[0])
        listener = bind("127.0.0.1", 0, "the sandbox")
        stack.push_async_callback(_ended, asyncio.ensure_future(run(listener)))
        simulators = base_urls(listener.getsockname()[1])
        atlas = sources.load(settings.home, settings.documents, clock=clocks[0])
        keeper = Keeper(settings, made, simulators, atlas, clocks[0])
        await stack.enter_async_context(keeper.working())
        gates = [GateProcess(settings, made, simulators, atlas, clock, n) for n, clock in enumerate(clocks[1:])]
        for gate in gates:
            await stack.enter_async_context(gate.working())
        yield Gateway(keeper, gates, clocks)


async def until(true: Callable[[], bool]) -> None:
    """Let the others run until it is so."""
    for _ in range(PATIENCE):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to be so")


async def _ended(task: "asyncio.Future[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
