"""The sandbox as one server: vendors under the paths of their real hosts, and what they saw."""

import asyncio
import socket
from collections.abc import Callable

from gapura.clock import Clock, system_clock
from gapura.sandbox.anthropic import Anthropic
from gapura.sandbox.azure import Azure
from gapura.sandbox.bigmodel import BigModel
from gapura.sandbox.dashscope import DashScope, DashScopeMore
from gapura.sandbox.edge import Answer, Connection, Seen
from gapura.sandbox.native import Native
from gapura.sandbox.openai import OpenAI
from gapura.sandbox.qianfan import Qianfan
from gapura.sandbox.shape import Call, Reply, whole
from gapura.sandbox.vendor import Vendor

# Of the loop, at the end: a connection just accepted needs two until it is made, a dropped one needs one.
ROUNDS = 5

PROVIDERS: tuple[type[Vendor], ...] = (OpenAI, DashScope, Qianfan, BigModel)


class Sandbox:
    """A protocol factory: `loop.create_server(Sandbox(), …)`.  Deterministic but for the expiry of Zhipu tokens,
    which `clock` decides."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self.vendors: tuple[Vendor, ...] = (
            OpenAI(),
            DashScope(),
            DashScopeMore(),
            Native(),
            Qianfan(),
            BigModel(clock),
            Anthropic(),
            Azure(),
        )
        self.seen = {vendor.name: Seen() for vendor in self.vendors}
        self.connections: set[Connection] = set()

    def __call__(self) -> Connection:
        return Connection(self.answer, self.connections)

    def answer(self, call: Call) -> Answer:
        for vendor in self.vendors:
            if call.path.startswith(vendor.prefix):
                reply = vendor.answer(call._replace(path=call.path.removeprefix(vendor.prefix)))
                return Answer(reply, self.seen[vendor.name])
        return Answer(self._own(call), Seen())

    def _own(self, call: Call) -> Reply:
        if (call.method, call.path) == ("GET", "/sandbox/seen"):
            return whole({"vendors": self.seen, "connections": len(self.connections)})
        return whole({"error": "not a path of the sandbox", "vendors": [v.prefix for v in self.vendors]}, status=404)


def create_sandbox(clock: Clock = system_clock) -> Sandbox:
    return Sandbox(clock)


async def run(sock: socket.socket, sandbox: Sandbox | None = None, begun: Callable[[], None] | None = None) -> None:
    """Serves on a bound socket until it is cancelled; then closes it and drops every connection.

    `begun` is called as soon as requests are taken.
    """
    sandbox = sandbox or create_sandbox()
    server = await asyncio.get_running_loop().create_server(sandbox, sock=sock, backlog=2048)
    try:
        if begun:
            begun()
        await asyncio.get_running_loop().create_future()
    finally:
        await _rounds()  # a server closed between accepting and making a connection leaks it (python/cpython#109564)
        server.close()
        await _rounds()
        for connection in list(sandbox.connections):
            connection.abort()
        await _rounds()


async def _rounds() -> None:
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


def base_urls(port: int, host: str = "127.0.0.1") -> dict[str, str]:
    """Provider → base URL, as the settings `*_BASE_URL` take it."""
    return {vendor.name: f"http://{host}:{port}{vendor.prefix}" for vendor in PROVIDERS}


def more_urls(port: int, host: str = "127.0.0.1") -> dict[str, str]:
    """Of vendors that are simulated, too, and only set up where they are asked for by their address."""
    return {vendor.name: f"http://{host}:{port}{vendor.prefix}" for vendor in (Anthropic, Azure)}


def native_url(port: int, host: str = "127.0.0.1") -> str:
    """The base URL of DashScope's own protocol."""
    return f"http://{host}:{port}{Native.prefix}"
