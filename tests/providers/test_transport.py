"""The upstream client against real servers on loopback that do, byte for byte, what their script says."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import trustme
import uvloop

from gapura.errors import UpstreamFailed
from gapura.providers.transport import Answer, Deadlines, Transport, Upstream, upstream

KEY = "sk-vendor-0123456789"
HEADERS = [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + KEY.encode())]
PATIENT = Deadlines(connect_s=20, first_byte_s=20, idle_s=20)
HASTY = Deadlines(connect_s=0.05, first_byte_s=0.05, idle_s=0.05)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


class Call:
    """A connection as the vendor sees it; `nth` counts from 1."""

    def __init__(self, nth: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.nth, self._reader, self._writer = nth, reader, writer

    async def request(self) -> tuple[bytes, bytes]:
        """Head and body of the next request; empty when the other side hung up."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b"", b""
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return head, await self._reader.readexactly(int(length or 0))

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        with suppress(ConnectionError):
            await self._writer.drain()

    async def gone(self) -> None:
        """Until the other side has hung up."""
        with suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass

    def reset(self) -> None:
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Call], Awaitable[None]]


class Vendor:
    """A server on loopback.  A script that raises fails the test."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script, self._ssl = script, tls
        self.calls = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Vendor":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        self.at = upstream(f"{'https' if self._ssl else 'http'}://localhost:{self.port}/v1")
        return self

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        self.calls += 1
        try:
            await self._script(Call(self.calls, reader, writer))
        finally:
            writer.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        if kind is None:
            await asyncio.gather(*self._tasks)
        for task in self._tasks:
            task.cancel()


def always(answer: bytes, *, slowly: bool = False) -> Script:
    async def script(call: Call) -> None:
        while (await call.request())[0]:
            for piece in [answer[i : i + 1] for i in range(len(answer))] if slowly else [answer]:
                await call.say(piece)
                await asyncio.sleep(0)

    return script


def once(answer: bytes, *, stay: bool = False) -> Script:
    async def script(call: Call) -> None:
        await call.request()
        await call.say(answer)
        if stay:
            await call.gone()

    return script


async def ask(transport: Transport, at: Upstream, deadlines: Deadlines = PATIENT, body: bytes = b"{}") -> Answer:
    return await transport.send(at, "/chat", HEADERS, body, deadlines)


async def whole(transport: Transport, at: Upstream, deadlines: Deadlines = PATIENT) -> tuple[int, bytes, bool]:
    answer = await ask(transport, at, deadlines)
    assert not {name for name, _ in answer.headers} & {b"link", b"x-sum"}, "of an early hint, or a trailer"
    try:
        return answer.status, await answer.body(1 << 20), answer.reused
    finally:
        answer.close()


async def failure(doing: Awaitable[object], why: str = "") -> tuple[int, str | None]:
    with pytest.raises(UpstreamFailed) as caught:
        await doing
    assert re.search(why, caught.value.message)
    assert KEY not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert caught.value.advance
    return caught.value.status, caught.value.code


def test_the_request_is_these_bytes(run: Run) -> None:
    async def main() -> None:
        seen: list[tuple[bytes, bytes]] = []

        async def script(call: Call) -> None:
            while (request := await call.request())[0]:
                seen.append(request)
                await call.say(OK)

        async with Vendor(script) as vendor:
            transport = Transport()
            assert await whole(transport, vendor.at) == (200, b"ok", False)
            probe = await transport.send(vendor.at, "/models?limit=1", [], b"", PATIENT, method="GET")
            assert (await probe.body(10), probe.reused) == (b"ok", True)
            probe.close()
            await transport.close()
        host = f"host: localhost:{vendor.port}\r\naccept-encoding: identity\r\n".encode()
        assert seen == [
            (
                b"POST /v1/chat HTTP/1.1\r\n" + host + b"content-type: application/json\r\n"
                b"authorization: Bearer " + KEY.encode() + b"\r\ncontent-length: 2\r\n\r\n",
                b"{}",
            ),
            (b"GET /v1/models?limit=1 HTTP/1.1\r\n" + host + b"\r\n", b""),
        ]

    run(main())


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWERS = {
    "length": (OK, 200, b"ok", True),
    "chunked": (CHUNKED + b"3\r\nsat\r\n3;x=y\r\nu d\r\n0\r\n\r\n", 200, b"satu d", True),
    "trailers": (CHUNKED + b"2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n", 200, b"ok", True),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n" + OK, 200, b"ok", True),
    "empty": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "redirect": (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", 302, b"", True),
    "error": (b"HTTP/1.1 429 Slow Down\r\ncontent-length: 2\r\n\r\nno", 429, b"no", True),
    "html": (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>", 502, b"<html>", True),
    "will close": (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", False),
    "old": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", False),
}
# These come at once: a tail that trickles in after the next request was sent cannot be told from its answer.
TAILS = {
    "a tail": (OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", 200, b"ok", False),
    "a dirty tail": (OK + b"<html>", 200, b"ok", False),
}


CASES = [(*case, slowly) for slowly in (False, True) for case in (ANSWERS if slowly else ANSWERS | TAILS).values()]


@pytest.mark.parametrize(("answer", "status", "body", "reused", "slowly"), CASES)
def test_answers(run: Run, answer: bytes, status: int, body: bytes, reused: bool, slowly: bool) -> None:
    async def main() -> None:
        async with Vendor(always(answer, slowly=slowly)) as vendor:
            transport = Transport()
            assert await whole(transport, vendor.at) == (status, body, False)
            assert await whole(transport, vendor.at) == (status, body, reused)
            assert vendor.calls == (1 if reused else 2)
            await transport.close()

    run(main())


def test_an_answer_may_end_with_the_connection(run: Run) -> None:
    async def main() -> None:
        async with Vendor(once(b"HTTP/1.1 200 OK\r\n\r\nsatu dua")) as vendor:
            transport = Transport()
            assert await whole(transport, vendor.at) == (200, b"satu dua", False)
            await transport.close()

    run(main())


HEAD = b"HTTP/1.1 200 OK\r\n"
GARBAGE = {
    "nothing": b"",
    "half a head": HEAD + b"content-le",
    "no HTTP": b"220 mail.example ESMTP\r\n",
    "bare html": b"<html><body>Bad Gateway</body></html>",
    "no status": b"HTTP/1.1 okay\r\n\r\n",
    "many headers": HEAD + b"".join(b"x-%d: y\r\n" % n for n in range(201)) + b"content-length: 0\r\n\r\n",
    "large headers": HEAD + b"x: " + b"y" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
    "endless header": HEAD + b"x: " + b"y" * 400_000,
    "endless 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "both framings": HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_the_vendors_failure(run: Run, name: str) -> None:
    async def main() -> None:
        async with Vendor(once(GARBAGE[name], stay=name.startswith("endless"))) as vendor:
            transport = Transport()
            assert await failure(ask(transport, vendor.at)) == (502, "upstream_failed")
            assert vendor.calls == 1, "a fresh connection is not tried twice"
            await transport.close()

    run(main())


CUT = {
    "length": HEAD + b"content-length: 10\r\n\r\nsatu",
    "chunk": CHUNKED + b"a\r\nsatu",
    "between chunks": CHUNKED + b"4\r\nsatu\r\n",
    "bad chunk": CHUNKED + b"4\r\nsatu\r\nzz\r\n",
    "endless trailer": CHUNKED + b"4\r\nsatu\r\n0\r\nx: " + b"y" * 400_000,
    "unasked encoding": HEAD + b"transfer-encoding: gzip\r\n\r\nsatu",
}


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("name", CUT)
def test_a_cut_answer_is_not_taken_for_a_whole_one(run: Run, name: str, reset: bool) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def script(call: Call) -> None:
            await call.request()
            await call.say(CUT[name])
            if reset:  # only once it has arrived: a reset overtakes what is still under way
                await begun.wait()
                call.reset()
            elif name.startswith("endless"):
                await call.gone()

        async with Vendor(script) as vendor:
            transport = Transport()
            reply = await ask(transport, vendor.at)
            assert await reply.read() == b"satu"
            begun.set()
            for _ in range(2):  # asked again, it says so again
                assert await failure(reply.read()) == (502, "upstream_failed")
            reply.close()
            await transport.close()

    run(main())


@pytest.mark.parametrize(
    ("last_words", "calls"), [(b"", 2), (b"HTTP/1.1 2", 1)], ids=["without a byte", "after some bytes"]
)
def test_a_stale_connection_is_replaced_once(run: Run, last_words: bytes, calls: int) -> None:
    """It answers one request and hangs up on the second; every later connection hangs up at once."""

    async def main() -> None:
        requests: list[int] = []

        async def script(call: Call) -> None:
            while (await call.request())[0]:
                requests.append(call.nth)
                if requests != [1]:
                    await call.say(last_words)
                    return
                await call.say(OK)

        async with Vendor(script) as vendor:
            transport = Transport()
            assert await whole(transport, vendor.at) == (200, b"ok", False)
            assert await failure(whole(transport, vendor.at)) == (502, "upstream_failed")
            assert requests == [1, 1, 2][: calls + 1]
            await transport.close()

    run(main())


def test_a_stale_connection_costs_the_caller_nothing(run: Run) -> None:
    async def main() -> None:
        async def script(call: Call) -> None:
            await call.request()
            await call.say(OK)
            if call.nth == 1:
                await call.request()
            else:
                await call.gone()

        async with Vendor(script) as vendor:
            transport = Transport()
            assert await whole(transport, vendor.at) == (200, b"ok", False)
            assert await whole(transport, vendor.at) == (200, b"ok", False)
            assert vendor.calls == 2
            await transport.close()

    run(main())


def test_silence_has_an_end(run: Run) -> None:
    async def main() -> None:
        async def script(call: Call) -> None:
            await call.request()
            if call.nth == 2:
                await call.say(CHUNKED + b"4\r\nsatu\r\n")
            await call.gone()

        async with Vendor(script) as vendor:
            transport = Transport()
            late = (504, "upstream_timeout")
            assert await failure(ask(transport, vendor.at, HASTY)) == late
            reply = await ask(transport, vendor.at, Deadlines(connect_s=20, first_byte_s=20, idle_s=0.05))
            assert await reply.read() == b"satu"
            assert await failure(reply.read()) == late
            reply.close()
            mute = upstream(f"https://localhost:{vendor.port}")  # it never answers the TLS handshake
            assert await failure(ask(transport, mute, HASTY)) == late
            await transport.close()

    run(main())


def test_unreachable(run: Run) -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
            closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
            for url, why in [
                (closed, "reached: connection refused."),
                ("http://nowhere.invalid", "reached: its name does not resolve."),
                (f"http://{'a' * 64}.id", "reached: its name does not resolve."),
            ]:
                assert await failure(ask(Transport(), upstream(url)), why) == (502, "upstream_unreachable")

    run(main())


def test_tls_is_verified(run: Run, tmp_path: Path) -> None:
    ours, other = trustme.CA(), trustme.CA()
    files = {"ours": ours, "other": other}
    for name, authority in files.items():
        authority.cert_pem.write_to_path(str(tmp_path / name))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    names: list[str | None] = []
    ours.issue_cert("localhost").configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    async def main() -> None:
        async with Vendor(always(OK), context) as vendor:
            good, wrong = Transport(ca_file=tmp_path / "ours"), Transport(ca_file=tmp_path / "other")
            assert await whole(good, vendor.at) == (200, b"ok", False)
            assert await whole(good, vendor.at) == (200, b"ok", True)
            assert names == ["localhost"]
            untrusted = (502, "upstream_untrusted")
            assert await failure(ask(wrong, vendor.at), "certificate is not good: .*issuer") == untrusted
            assert await failure(ask(Transport(), vendor.at)) == untrusted
            assert await failure(ask(good, upstream(f"https://127.0.0.1:{vendor.port}")), "good: .*IP") == untrusted
            for transport in (good, wrong):
                await transport.close()

    run(main())
