"""The edge in time: callers who hesitate, who do not read, who leave, and a gate that closes."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import uvloop

from gapura.gate.edge import server
from gapura.gate.head import Limits

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"POST / HTTP/1.1\r\nhost: gate\r\n"
PATIENT = Limits()
SHORT = 0.02


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


class App:
    """Reads the body, then does what `then` says with (connection, send); `seen` tells what happened, in order."""

    def __init__(self, then: Callable[[Any, Any], Coroutine[Any, Any, None]] | None = None) -> None:
        self.seen: asyncio.Queue[str] = asyncio.Queue()
        self.then = then or self.answer
        self.begun, self.may_read = asyncio.Event(), asyncio.Event()
        self.may_read.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.set()
        self.receive = receive
        if scope["path"] == "/early":
            await self.answer(None, send)
            return
        await self.may_read.wait()
        message: dict[str, Any] = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
        self.seen.put_nowait(message["type"])
        await self.then(scope["extensions"]["gapura.connection"], send)

    def lost(self) -> None:
        self.seen.put_nowait("lost")

    async def answer(self, _connection: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def not_reading(writer: asyncio.StreamWriter) -> None:
    transport: Any = writer.transport
    transport.pause_reading()


@asynccontextmanager
async def gate(app: App, limits: Limits) -> AsyncIterator[Callable[..., Coroutine[Any, Any, Streams]]]:
    made = server(app, limits=limits)
    config, state = made.config, made.server_state
    config.load()
    kind: Any = config.http_protocol_class
    listener = await asyncio.get_running_loop().create_server(
        lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    writers: list[asyncio.StreamWriter] = []

    async def connect(first: bytes = b"") -> Streams:
        """What is said `first` has come before any clock begins."""
        caller = socket.create_connection(listener.sockets[0].getsockname())
        caller.sendall(first)
        reader, writer = await asyncio.open_connection(sock=caller)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        listener.close()
        for writer in writers:
            writer.transport.abort()
    while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("limits", "said", "answer"),
    [
        (Limits(head_s=SHORT), HEAD, b"HTTP/1.1 408 "),
        (Limits(head_s=SHORT), b"P", b"HTTP/1.1 408 "),
        (Limits(body_idle_s=SHORT), HEAD + b"content-length: 9\r\n\r\nsatu", b"HTTP/1.1 408 "),
        (Limits(body_s=SHORT), HEAD + b"transfer-encoding: chunked\r\n\r\n", b"HTTP/1.1 408 "),
        (Limits(keep_alive_s=SHORT), b"", b""),
        (Limits(keep_alive_s=SHORT), b"\r\n", b""),
        (Limits(keep_alive_s=SHORT), HEAD + b"content-length: 0\r\n\r\n", b"HTTP/1.1 200 "),
    ],
)
def test_who_hesitates_is_dismissed(run: Run, limits: Limits, said: bytes, answer: bytes) -> None:
    async def main() -> None:
        async with gate(App(), limits) as connect:
            reader, _ = await connect(said)
            assert (await reader.read()).startswith(answer)

    run(main())


def test_a_drip_does_not_keep_a_head_open(run: Run) -> None:
    async def main() -> None:
        async with gate(App(), Limits(head_s=SHORT)) as connect:
            reader, writer = await connect()
            writer.write(HEAD)

            async def drip() -> None:
                with suppress(ConnectionError):
                    while not reader.at_eof():
                        writer.write(b"x: y\r\n")
                        await asyncio.sleep(SHORT / 10)

            dripping = asyncio.create_task(drip())
            assert b" 408 " in await reader.readline()
            await reader.read()
            await dripping

    run(main())


def test_a_half_sent_next_request_does_not_cut_an_answer(run: Run) -> None:
    async def main() -> None:
        late = asyncio.Event()

        async def slow(connection: Any, send: Any) -> None:
            asyncio.get_running_loop().call_later(SHORT * 4, late.set)
            await late.wait()
            await app.answer(connection, send)

        app = App(slow)
        async with gate(app, Limits(head_s=SHORT)) as connect:
            reader, writer = await connect()
            writer.write(HEAD + b"content-length: 0\r\n\r\n" + HEAD)
            heard = await reader.read()
            assert heard.startswith(b"HTTP/1.1 200 ") and b"okHTTP/1.1 408 " in heard

    run(main())


def test_who_does_not_read_is_cut(run: Run) -> None:
    async def main() -> None:
        async def flood(connection: Any, send: Any) -> None:
            lost = asyncio.Event()
            connection.on_lost(lost.set)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while not lost.is_set():
                await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
            app.lost()

        app = App(flood)
        async with gate(app, Limits(write_s=SHORT)) as connect:
            _, writer = await connect()
            not_reading(writer)
            writer.write(HEAD + b"content-length: 0\r\n\r\n")
            assert await app.seen.get() == "http.request"
            assert await app.seen.get() == "lost"

    run(main())


@pytest.mark.parametrize("last", ["keep-alive", "close"])
def test_who_leaves_the_end_unread_is_cut(run: Run, last: str) -> None:
    """All is written, but not all is taken: neither idling nor closing may wait for ever."""

    async def main() -> None:
        async def large(connection: Any, send: Any) -> None:
            connection.transport.set_write_buffer_limits(1 << 30)  # `send` does not wait, so that it comes to the end
            body = bytes(32 << 20)
            headers = [(b"content-length", str(len(body)).encode()), (b"connection", last.encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            gone.set_result(connection)

        gone: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        async with gate(App(large), Limits(write_s=SHORT, keep_alive_s=SHORT)) as connect:
            _, writer = await connect()
            not_reading(writer)
            writer.write(HEAD + b"content-length: 0\r\n\r\n")
            connection = await gone
            lost = asyncio.Event()
            connection.on_lost(lost.set)
            await lost.wait()

    run(main())


NEXT = HEAD + b"content-length: 0\r\n\r\n"


@pytest.mark.parametrize(("size", "more"), [(0, b""), (200_000, b""), (1 << 20, b""), (0, NEXT), (200_000, NEXT)])
def test_a_hang_up_is_told_once(run: Run, size: int, more: bytes) -> None:
    """Also after a large body, and while the next request waits: uvicorn stops to read then."""

    async def main() -> None:
        async def wait(connection: Any, _send: Any) -> None:
            ended = asyncio.Event()
            connection.on_lost(ended.set)
            app.seen.put_nowait("waits")
            await ended.wait()
            connection.on_lost(app.lost)  # too late to wait for it: told at once
            app.seen.put_nowait((await app.receive())["type"])

        app = App(wait)
        async with gate(app, PATIENT) as connect:
            _, writer = await connect()
            writer.write(HEAD + b"content-length: %d\r\n\r\n" % size)
            await app.begun.wait()
            writer.write(bytes(size) + more)
            await writer.drain()
            assert [await app.seen.get() for _ in range(2)] == ["http.request", "waits"]
            writer.close()
            assert [await app.seen.get() for _ in range(2)] == ["lost", "http.disconnect"]
            assert app.seen.empty()

    run(main())


def test_a_hang_up_after_the_answer_is_nobodys(run: Run) -> None:
    async def main() -> None:
        async def register(connection: Any, send: Any) -> None:
            connection.on_lost(app.lost)
            await app.answer(connection, send)

        app = App(register)
        async with gate(app, PATIENT) as connect:
            reader, writer = await connect()
            for _ in range(2):
                writer.write(HEAD + b"content-length: 0\r\n\r\n")
                await reader.readuntil(b"ok")
            writer.transport.abort()
        assert [app.seen.get_nowait() for _ in range(app.seen.qsize())] == ["http.request"] * 2

    run(main())


MEGABYTE = b"100000\r\n" + bytes(1 << 20) + b"\r\n"


@pytest.mark.parametrize(("path", "status"), [(b"/", b" 413 "), (b"/early", b" 200 ")])
def test_a_refused_sender_hears_why(run: Run, path: bytes, status: bytes) -> None:
    """It sends on and on without listening; a reset would overtake the answer."""

    async def main() -> None:
        app = App()
        async with gate(app, Limits(body_bytes=1000)) as connect:
            reader, writer = await connect()
            writer.write(HEAD.replace(b"/", path, 1) + b"transfer-encoding: chunked\r\n\r\n")
            await app.begun.wait()
            for _ in range(32):
                writer.write(MEGABYTE)
                await writer.drain()
            assert status in await reader.readline()

    run(main())


def test_a_body_that_we_do_not_take_is_not_late(run: Run) -> None:
    async def main() -> None:
        app, long = App(), 0.25  # in which the caller, who is in this process, surely goes on
        asyncio.get_running_loop().call_later(long * 2, app.may_read.set)
        app.may_read.clear()
        async with gate(app, Limits(body_idle_s=long)) as connect:
            reader, writer = await connect()
            writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n" + MEGABYTE * 8 + b"0\r\n\r\n")
            assert b" 200 " in await reader.readline()

    run(main())


def test_draining(run: Run) -> None:
    async def main() -> None:
        async def wait(connection: Any, send: Any) -> None:
            await go.wait()
            await app.answer(connection, send)

        go = asyncio.Event()
        app = App(wait)
        made = server(app, limits=PATIENT, drain_s=30)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            address = listening.getsockname()
            serving = asyncio.create_task(made.serve(sockets=[listening]))
            idle, idler = await asyncio.open_connection(*address)
            reader, writer = await asyncio.open_connection(*address)
            writer.write(HEAD + b"content-length: 0\r\n\r\n")
            assert await app.seen.get() == "http.request"
            made.should_exit = True
            assert await idle.read() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*address)
            go.set()
            heard = await reader.read()
            assert heard.startswith(b"HTTP/1.1 200 ") and b"\r\nconnection: close\r\n" in heard
            assert b"\r\ndate: " in heard and b"\r\nserver: " not in heard
            await serving
            idler.close()
            writer.close()

    run(main())


def test_draining_has_an_end_and_a_unix_socket_knows_its_peer(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async def wait(connection: Any, _send: Any) -> None:
            app.seen.put_nowait(str(connection.peer_uid()))
            await asyncio.Event().wait()

        app = App(wait)
        made = server(app, drain_s=SHORT)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "s"))
            listening.listen()
            serving = asyncio.create_task(made.serve(sockets=[listening]))
            reader, writer = await asyncio.open_unix_connection(listening.getsockname())
            writer.write(HEAD + b"content-length: 0\r\n\r\n")
            assert [await app.seen.get(), await app.seen.get()] == ["http.request", str(os.getuid())]
            made.should_exit = True
            heard = await reader.read()
            assert heard.startswith(b"HTTP/1.1 503 ") and b'"gateway_unready"' in heard
            await serving
            writer.close()

    run(main())
