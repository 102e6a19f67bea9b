"""A gate built by hand around the river, and vendors on real sockets that do what a script says."""

import asyncio
import hmac
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gapura.atlas import sources
from gapura.atlas.proxies import Trust
from gapura.clock import TurnableClock
from gapura.gate import edge
from gapura.gate.head import Limits
from gapura.gate.http import App
from gapura.gate.metrics import Metrics
from gapura.gate.purses import Purses
from gapura.providers import PROVIDERS
from gapura.providers.transport import Transport, upstream
from gapura.request.locate import Places
from gapura.request.pipeline import Gate
from gapura.request.relay import Way
from gapura.request.route import Health
from gapura.rulebook.compile import Rules
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.link import Grant
from gapura.terms.record import Ended, Entry, Opened, Refused
from gapura.terms.rulebook import Endpoint, Route, Rulebook, Target

KEY = "sk-gp-test"
PEPPER = b"pepper"
START = 1_720_483_200_000_000

Script = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a vendor does with a request: its body, and both directions of the socket."""


class Vendor:
    """A server that plays one script after the other, the last one for ever; `asked` counts requests, `connected`
    connections.  `url` overrides where the gate looks for it; a `greeting` is all that it says."""

    def __init__(
        self, *scripts: Script, url: str = "", tls: ssl.SSLContext | None = None, greeting: bytes = b""
    ) -> None:
        self.scripts, self.asked, self.connected, self.hung_up = list(scripts), 0, 0, asyncio.Event()
        self.url, self.tls, self.greeting, self._called = url, tls, greeting, asyncio.Event()
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def until_asked(self, times: int) -> None:
        while self.asked < times:
            self._called.clear()
            await self._called.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        if self.greeting:
            writer.write(self.greeting)
            writer.close()
            return
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
                )
                body = await reader.readexactly(length)
                script = self.scripts[min(self.asked, len(self.scripts) - 1)]
                self.asked += 1
                self.heads.append(head)
                self.bodies.append(body)
                self._called.set()
                await script(body, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            self.hung_up.set()
        finally:
            writer.close()


def head(status: int = 200, kind: str = "application/json", **more: str) -> bytes:
    headers = {"content-type": kind} | {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def says(body: Any, status: int = 200, **headers: str) -> Script:
    """A whole answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def script(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, **({"content_length": str(len(data))} | headers)) + data)

    return script


def streams(*pieces: bytes | asyncio.Event | float, end: str = "whole") -> Script:
    """A chunked stream; an event among the pieces is waited for, a number is a pause in seconds.  `end`: whole, cut
    (the socket closes inside the answer) or silence (until we hang up)."""

    async def script(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head(kind="text/event-stream", transfer_encoding="chunked"))
        for piece in pieces:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
                continue
            if isinstance(piece, float):
                await asyncio.sleep(piece)
                continue
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if end == "whole":
            writer.write(b"0\r\n\r\n")
        elif end == "cut":
            writer.close()
        else:
            await reader.readexactly(1)

    return script


def raw(*pieces: bytes, end: str = "close") -> Script:
    """Whatever bytes.  `end`: close, reset or silence (until we hang up)."""

    async def script(_: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if end == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        elif end == "close":
            writer.close()
        else:
            await reader.readexactly(1)

    return script


def trickles(first: bytes, piece: bytes) -> Script:
    """`first`, and then one piece after the other until we hang up."""

    async def script(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            await writer.drain()
            await asyncio.sleep(0.005)
            writer.write(piece)

    return script


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    event = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]} | more
    return f"data: {json.dumps(event)}\n\n".encode()


USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
HALO = (chunk({"role": "assistant", "content": ""}), chunk({"content": "Halo"}), chunk({"content": " dunia"}))
LAST = (chunk({}, "stop"), chunk({}, choices=[], usage=USAGE), b"data: [DONE]\n\n")
MESSAGE = {"role": "assistant", "content": "Halo dunia"}
WHOLE = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": USAGE,
}


class Pages(list[Entry]):
    """A journal in memory; `grown` is set at each entry."""

    room = True

    def __init__(self) -> None:
        super().__init__()
        self.grown = asyncio.Event()

    def append(self, entry: Entry) -> int:  # type: ignore[override]  # a journal tells the sequence number
        super().append(entry)
        self.grown.set()
        return len(self)

    async def until(self, kind: type[Entry]) -> None:
        """The first entry of this kind is there."""
        while not any(isinstance(entry, kind) for entry in self):
            self.grown.clear()
            await self.grown.wait()

    @property
    def opened(self) -> list[Opened]:
        return [entry for entry in self if isinstance(entry, Opened)]

    @property
    def ended(self) -> list[Ended]:
        return [entry for entry in self if isinstance(entry, Ended)]

    @property
    def refused(self) -> list[Refused]:
        return [entry for entry in self if isinstance(entry, Refused)]


class Directory(dict[bytes, Caller]):
    def find(self, digest: bytes) -> Caller | None:
        return self.get(digest)

    def know(self, key: str, caller: Caller) -> None:
        self[hmac.digest(PEPPER, key.encode(), "sha256")] = caller


class Fresh:
    fresh_until = 2**62


class Bench:
    """What a test drives: `gate`, its `journal`, and `ask`, which sends over a real socket and reads all that comes."""

    def __init__(self, gate: Gate, journal: Pages, directory: Directory, port: int) -> None:
        self.gate, self.journal, self.directory, self.port = gate, journal, directory, port

    async def send(
        self, body: Any, path: str = "/v1/chat/completions", **headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"host": "gate", "authorization": f"Bearer {KEY}", "connection": "close"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        writer.write("\r\n".join([*lines, f"content-length: {len(data)}", "", ""]).encode() + data)
        return reader, writer

    async def ask(self, body: Any, path: str = "/v1/chat/completions", **headers: str) -> "Said":
        reader, writer = await self.send(body, path, **headers)
        answer = await reader.read()
        writer.close()
        return Said(answer)


class Said:
    """A caller's view of an answer."""

    def __init__(self, answer: bytes) -> None:
        top, _, rest = answer.partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        self.body = unchunked(rest) if self.headers.get("transfer-encoding") == "chunked" else rest

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        return [block.removeprefix("data: ") for block in self.body.decode().split("\n\n") if block]


def unchunked(rest: bytes) -> bytes:
    pieces = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        pieces.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return b"".join(pieces)


Serving = Callable[..., Any]


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@asynccontextmanager
async def bench(
    vendors: dict[str, Vendor],
    *,
    clock: TurnableClock | None = None,
    limits: Limits | None = None,
    transport: Transport | None = None,
    models: dict[str, str] | None = None,
    apart: bool = False,
    **of_route: Any,
) -> AsyncIterator[Bench]:
    """A gate on a real socket whose model `m` is served by these providers, in their order, as `m` or as `models`
    has it; `apart`, each provider also has a model of its own name, which it alone serves."""
    clock = clock or TurnableClock(START)
    servers = []
    for vendor in vendors.values():
        server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, ssl=vendor.tls)
        port = server.sockets[0].getsockname()[1]
        vendor.url = vendor.url.format(port=port) or f"http://127.0.0.1:{port}/v1"
        servers.append(server)
    places = {"openai": "US", "qwen": "CN", "ernie": "CN", "glm": "CN"}
    endpoints = tuple(
        Endpoint(provider=name, base_url=vendor.url, processing_territory=places.get(name, "US"))
        for name, vendor in vendors.items()
    )
    names = models or {}
    route = Route(model="m", targets=tuple(Target(name, names.get(name, "m")) for name in vendors), **of_route)
    alone = {one.provider: Route(model=one.provider, targets=(one,), **of_route) for one in route.targets}
    routes = {"m": route} | (alone if apart else {})
    journal, directory = Pages(), Directory()
    directory.know(KEY, Caller(Key("key_1", "acc_1", "sk-gp-t"), Account("acc_1", "acme", "org")))

    async def no_keeper(purse: str, want: int, limit: int) -> Grant:
        return Grant(0, purse, 0, retry_after=7.0 if limit else 0.0)

    gate = Gate(
        clock=clock,
        pepper=PEPPER,
        max_body=1 << 20,
        places=Places(sources.load(), Trust(), "SG"),
        purses=Purses(no_keeper, clock),
        journal=journal,
        transport=transport or Transport(),
        health=Health(),
        ways={
            name: Way(upstream(vendor.url), tuple(PROVIDERS[name].headers("vk")), PROVIDERS[name])
            for name, vendor in vendors.items()
        },
        rules=Rules(Rulebook(version="v1", endpoints=endpoints, routes=routes)),
        directory=directory,
        freshness=Fresh(),
    )
    front = edge.server(App(gate, Metrics(gate.tally)), limits=limits, drain_s=1)
    sock = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.ensure_future(front._serve([sock]))  # its `serve` would take our signals
    while not front.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    try:
        yield Bench(gate, journal, directory, sock.getsockname()[1])
    finally:
        # uvicorn's own way takes 0.2 s; how it drains is tested elsewhere.
        serving.cancel()
        for connection in list(front.server_state.connections):
            connection.transport.abort()
        for listening in front.servers:
            listening.close()
        await asyncio.gather(serving, *front.server_state.tasks, return_exceptions=True)
        await gate.transport.close()
        for server in servers:
            server.close()
