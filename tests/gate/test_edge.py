"""The edge over raw sockets: what is served, what is refused, and how it is said."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop

from gapura.gate.edge import server
from gapura.gate.head import Limits

Run = Callable[[Coroutine[Any, Any, None]], None]
GET = b"GET /echo HTTP/1.1\r\nhost: gate\r\n"
POST = b"POST /echo HTTP/1.1\r\nhost: gate\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
SMALL = Limits(body_bytes=1000)


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


class App:
    """Answers with what it saw; waits, fails and floods on request.  `events` tells what happened, in order."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        verb = scope["path"][1:]
        self.events.put_nowait(verb)
        connection = scope["extensions"]["gapura.connection"]
        if verb == "boom":
            raise RuntimeError("secret detail")
        body = b"" if verb == "early" else await self.body(receive)
        if verb in {"wait", "flood"}:
            connection.on_lost(lambda: self.events.put_nowait("lost"))
        if verb == "wait":
            await self.go.wait()
            connection.on_lost(lambda: self.events.put_nowait("late"))
        seen = {"body": body.decode(), "client": scope["client"], "headers": [h[0].decode() for h in scope["headers"]]}
        if verb == "uid":
            seen["uid"] = connection.peer_uid()
        if verb == "nodelay":
            raw = connection.transport.get_extra_info("socket")
            seen["nodelay"] = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        answer = json.dumps(seen).encode()
        length = [] if verb in {"flood", "half"} else [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if verb == "half":
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError("secret detail")
        while verb == "flood" and self.events.empty():
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        await send({"type": "http.response.body", "body": answer})

    async def body(self, receive: Any) -> bytes:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.events.put_nowait("disconnect")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, data: bytes, *, pieces: int = 1) -> None:
        size = -(-len(data) // pieces)
        with suppress(ConnectionError):
            for start in range(0, len(data), size):
                self._writer.write(data[start : start + size])
                await self._writer.drain()
                for _ in range(3):  # turns in which the gate reads it
                    await asyncio.sleep(0)

    async def hear(self) -> tuple[int, dict[str, str], Any]:
        """The next answer, whose length must be stated."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        status, _, lines = head.partition("\r\n")
        headers = dict(line.split(": ", 1) for line in lines.split("\r\n") if line)
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return int(status.split()[1]), headers, json.loads(body) if body else None

    async def end(self) -> bytes:
        """What still comes until the gate closes."""
        return await self._reader.read()

    def leave(self) -> None:
        self._writer.transport.abort()


Connect = Callable[[], Coroutine[Any, Any, Caller]]


@asynccontextmanager
async def gate(app: App, limits: Limits = SMALL) -> AsyncIterator[Connect]:
    """The protocol alone, without the turns of a tenth of a second that uvicorn's own loop takes."""
    made = server(app, limits=limits)
    config, state = made.config, made.server_state
    config.load()
    kind: Any = config.http_protocol_class
    listener = await asyncio.get_running_loop().create_server(
        lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    callers: list[Caller] = []

    async def connect() -> Caller:
        callers.append(Caller(*await asyncio.open_connection(*listener.sockets[0].getsockname())))
        return callers[-1]

    try:
        yield connect
    finally:
        listener.close()
        for caller in callers:
            caller.leave()
    while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
        await asyncio.sleep(0)


async def refused(caller: Caller, status: int, code: str | None) -> None:
    got, headers, body = await caller.hear()
    assert (got, body["error"]["code"]) == (status, code)
    assert sorted(body["error"]) == ["code", "message", "param", "type"] and body["error"]["message"]
    assert headers["content-type"] == "application/json" and headers["connection"] == "close"
    assert re.fullmatch(r"req_[0-9a-f]{32}", headers["gapura-request-id"]) and "server" not in headers
    assert await caller.end() == b""


BAD = "malformed_request"
REFUSED = {
    "not http": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, BAD),
    "http/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, BAD),
    "http/2": (b"GET / HTTP/2.0\r\nhost: gate\r\n\r\n", 400, "http_version_not_supported"),
    "http/0.9": (b"GET / HTTP/0.9\r\n\r\n", 400, "http_version_not_supported"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, BAD),
    "two hosts": (GET + b"host: gate\r\n\r\n", 400, BAD),
    "two hosts in 1.0": (b"GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400, BAD),
    "a proxy's request": (b"GET http://evil/ HTTP/1.1\r\nhost: gate\r\n\r\n", 400, BAD),
    "a tunnel": (b"CONNECT evil:443 HTTP/1.1\r\nhost: gate\r\n\r\n", 400, BAD),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nhost: gate\r\n\r\n", 400, BAD),
    "long line": (b"GET /" + b"x" * 8_193 + b" HTTP/1.1\r\nhost: gate\r\n\r\n", 414, "uri_too_long"),
    "endless line": (b"GET /" + b"x" * 8_193, 414, "uri_too_long"),
    "many headers": (GET + b"x: y\r\n" * 100 + b"\r\n", 431, "headers_too_large"),
    "large headers": (GET + b"x: %b\r\n" % (b"y" * 8_200) * 4 + b"\r\n", 431, "headers_too_large"),
    "endless header": (GET + b"x: " + b"y" * 400_000, 431, "headers_too_large"),
    "both framings": (POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, BAD),
    "the other way round": (POST + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n", 400, BAD),
    "two lengths": (POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400, BAD),
    "list of lengths": (POST + b"content-length: 3, 4\r\n\r\nabcd", 400, BAD),
    "signed length": (POST + b"content-length: +3\r\n\r\nabc", 400, BAD),
    "gzip, chunked": (POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, BAD),
    "chunked, gzip": (POST + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400, BAD),
    "xchunked": (POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400, BAD),
    "chunked twice": (POST + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400, BAD),
    "chunked in 1.0": (b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, BAD),
    "folded": (GET + b"x: a\r\n b\r\n\r\n", 400, BAD),
    "space before colon": (GET + b"x : a\r\n\r\n", 400, BAD),
    "bare LF": (GET + b"x: a\ny: b\r\n\r\n", 400, BAD),
    "bare CR": (GET + b"x: a\ry: b\r\n\r\n", 400, BAD),
    "LF only": (b"GET / HTTP/1.1\nhost: gate\n\n", 400, BAD),
    "NUL": (GET + b"x: a\0b\r\n\r\n", 400, BAD),
    "control sign": (GET + b"x\x01: a\r\n\r\n", 400, BAD),
    "length over the limit": (POST + b"content-length: 1001\r\n\r\n", 413, "request_too_large"),
}


@pytest.mark.parametrize(("request_", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(run: Run, request_: bytes, status: int, code: str) -> None:
    async def main() -> None:
        app = App()
        async with gate(app) as connect:
            for pieces in (1, 2, len(request_))[: 2 + (len(request_) < 500)]:
                caller = await connect()
                await caller.say(request_, pieces=pieces)
                await refused(caller, status, code)
                await caller.say(GET + b"\r\n")  # what comes after it is not looked at
            assert app.events.empty()

    run(main())


def test_messages_are_refused_in_anthropics_words(run: Run) -> None:
    async def main() -> None:
        async with gate(App()) as connect:
            caller = await connect()
            await caller.say(POST.replace(b"/echo", b"/v1/messages") + b"content-length: 1001\r\n\r\n")
            status, _, said = await caller.hear()
            assert (status, said["error"]["type"]) == (413, "request_too_large") and said["type"] == "error"

    run(main())


BROKEN = {
    "chunks over the limit": (CHUNKED + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx", 413, "request_too_large"),
    "bad chunk size": (CHUNKED + b"zz\r\n", 400, BAD),
    "chunk without end": (CHUNKED + b"1\r\nab", 400, BAD),
    "LF in chunks": (CHUNKED + b"1\nx\n0\n\n", 400, BAD),
    "endless extension": (CHUNKED + b"1;x=" + b"y" * 500_000, 400, BAD),
    "endless trailer": (CHUNKED + b"0\r\nx: " + b"y" * 500_000, 400, BAD),
}


@pytest.mark.parametrize(("request_", "status", "code"), BROKEN.values(), ids=BROKEN)
def test_broken_amid_the_body(run: Run, request_: bytes, status: int, code: str) -> None:
    """The app, which waits for the rest, is told that nobody is there; the caller hears what was wrong."""

    async def main() -> None:
        app = App()
        async with gate(app) as connect:
            caller = await connect()
            start = request_.index(b"\r\n\r\n") + 4
            await caller.say(request_[:start])
            assert await app.events.get() == "echo"
            await caller.say(request_[start:])
            await refused(caller, status, code)
            assert await app.events.get() == "disconnect"

    run(main())


SERVED = {
    "get": (GET + b"\r\n", ""),
    "no host in 1.0": (b"GET /echo HTTP/1.0\r\n\r\n", ""),
    "length": (POST + b"content-length: 4\r\n\r\nsatu", "satu"),
    "limit": (POST + b"content-length: 1000\r\n\r\n" + b"x" * 1000, "x" * 1000),
    "chunks": (CHUNKED + b"2\r\nsa\r\n2;a=b\r\ntu\r\n0\r\n\r\n", "satu"),
    "trailers": (CHUNKED + b"4\r\nsatu\r\n0\r\nhost: evil\r\nauthorization: evil\r\n\r\n", "satu"),
    "empty lines first": (b"\r\n\r\n" + POST + b"content-length: 4\r\n\r\nsatu", "satu"),
    "99 headers": (GET + b"x: y\r\n" * 99 + b"\r\n", ""),
    "offers h2c": (
        POST + b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\ncontent-length: 4\r\n\r\nsatu", "satu",
    ),
    "offers a websocket": (GET + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize(("request_", "body"), SERVED.values(), ids=SERVED)
def test_served(run: Run, request_: bytes, body: str, slowly: bool) -> None:
    async def main() -> None:
        async with gate(App()) as connect:
            caller = await connect()
            again = b"HTTP/1.0" not in request_
            for _ in range(1 + again):
                await caller.say(request_, pieces=len(request_) if slowly else 1)
                status, headers, seen = await caller.hear()
                assert (status, seen["body"]) == (200, body)
                assert seen["headers"].count("host") == again and "authorization" not in seen["headers"]
                assert "upgrade" not in seen["headers"]
            assert again or (headers["connection"], await caller.end()) == ("close", b"")

    run(main())


def test_the_peer_is_the_peer(run: Run) -> None:
    async def main() -> None:
        async with gate(App()) as connect:
            caller = await connect()
            await caller.say(GET.replace(b"echo", b"nodelay") + b"x-forwarded-for: 203.0.113.9\r\n\r\n")
            _, _, seen = await caller.hear()
            assert seen["client"][0] == "127.0.0.1"
            assert seen["nodelay"]

    run(main())


def test_the_name_must_be_ours(run: Run) -> None:
    async def main() -> None:
        async with gate(App(), Limits(hosts=frozenset({"gate.example", "[::1]"}))) as connect:
            for host in (b"gate.example", b"GATE.example:8080", b"[::1]:80", b"[::1]"):
                caller = await connect()
                await caller.say(GET.replace(b"gate", host) + b"\r\n")
                assert (await caller.hear())[0] == 200
            for request in (GET.replace(b"gate", b"rebound.example") + b"\r\n", b"GET / HTTP/1.0\r\n\r\n"):
                caller = await connect()
                await caller.say(request)
                await refused(caller, 421, "misdirected_request")

    run(main())


def test_bugs_are_told_in_the_dialect(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with gate(App()) as connect:
            caller = await connect()
            await caller.say(GET.replace(b"echo", b"boom") + b"\r\n")
            await refused(caller, 500, "internal_error")
            caller = await connect()
            await caller.say(GET.replace(b"echo", b"half") + b"\r\n")
            assert (await caller.end()).endswith(b"\r\n4\r\nhalf\r\n"), "no end, so that it cannot pass for whole"

    run(main())
    assert "secret detail" in caplog.text


def test_expect_continue(run: Run) -> None:
    async def main() -> None:
        async with gate(App()) as connect:
            caller = await connect()
            await caller.say(POST + b"expect: 100-Continue\r\ncontent-length: 4\r\n\r\n")
            assert (await caller.hear())[0] == 100
            await caller.say(b"satu")
            assert (await caller.hear())[2]["body"] == "satu"
            await caller.say(POST + b"expect: 100-continue\r\ncontent-length: 1001\r\n\r\n")
            await refused(caller, 413, "request_too_large")

    run(main())


def test_an_early_answer_does_not_confuse_what_follows(run: Run) -> None:
    async def main() -> None:
        async with gate(App()) as connect:
            caller = await connect()
            await caller.say(POST.replace(b"echo", b"early") + b"content-length: 40\r\n\r\n")
            assert (await caller.hear())[2]["body"] == ""
            await caller.say(b"GET /smuggled HTTP/1.1\r\nhost: gate\r\n\r\n\r\n" + POST + b"content-length: 1\r\n\r\nx")
            assert (await caller.hear())[2]["body"] == "x"

    run(main())


def test_what_is_broken_after_the_answer_gets_no_second_one(run: Run) -> None:
    async def main() -> None:
        async with gate(App()) as connect:
            caller = await connect()
            await caller.say(CHUNKED.replace(b"echo", b"early"))
            assert (await caller.hear())[0] == 200
            await caller.say(b"zz\r\n")
            assert await caller.end() == b""

    run(main())


def test_a_broken_request_that_waits_its_turn_is_never_begun(run: Run) -> None:
    async def main() -> None:
        app = App()
        async with gate(app) as connect:
            caller = await connect()
            await caller.say(GET.replace(b"echo", b"wait") + b"\r\n" + CHUNKED + b"zz\r\n")
            assert await app.events.get() == "wait"
            app.go.set()
            assert (await caller.hear())[0] == 200
            await refused(caller, 400, BAD)
            assert app.events.empty()

    run(main())


def test_answers_to_pipelined_requests_come_in_order_and_unbroken(run: Run) -> None:
    async def main() -> None:
        app = App()
        async with gate(app) as connect:
            caller = await connect()
            bodies = [b"satu", b"dua", b"tiga"]
            requests = [POST + b"content-length: %d\r\n\r\n%b" % (len(body), body) for body in bodies]
            await caller.say(GET.replace(b"echo", b"wait") + b"\r\n" + b"".join(requests) + b"rubbish\r\n\r\n")
            assert await app.events.get() == "wait"
            app.go.set()
            assert [(await caller.hear())[2]["body"] for _ in range(4)] == ["", "satu", "dua", "tiga"]
            await refused(caller, 400, BAD)
            caller = await connect()
            app.go.clear()
            await caller.say(GET.replace(b"echo", b"wait") + b"\r\n" + (GET + b"\r\n") * 17)
            while await app.events.get() != "wait":
                pass
            app.go.set()
            assert [(await caller.hear())[0] for _ in range(17)] == [200] * 17
            await refused(caller, 429, "too_many_pipelined")

    run(main())
