"""Callers who hang up, in each phase, and callers who do not read.

The expectations are those of `docs/reference/failures.md`.
"""

import asyncio
import json
import socket
from typing import Any

import pytest
from tests.request.conftest import (
    HALO,
    KEY,
    LAST,
    START,
    WHOLE,
    Bench,
    Script,
    Vendor,
    bench,
    chunk,
    raw,
    says,
    streams,
)
from tests.request.table import ROWS
from tests.request.test_faults import ASK, ROLE, STREAM, one_end

from gapura.clock import TurnableClock
from gapura.gate.head import Limits
from gapura.providers.connection import QUEUE_BYTES
from gapura.request.accept import Exchange
from gapura.request.pipeline import serve
from gapura.terms.record import Ended
from gapura.terms.usage import Usage

either = pytest.mark.parametrize("provider", ["openai", "qwen"])
PIECE = chunk({"content": "x" * 30_000})


PATH = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\n"


@pytest.mark.parametrize("sent", [b"POST /v1/ch", PATH, PATH + b'content-length: 99\r\n\r\n{"model":"m"'])
def test_who_hangs_up_while_sending_is_not_known(sent: bytes) -> None:
    async def story() -> None:
        row, vendor = ROWS["the caller hangs up while sending"], Vendor(says(WHOLE))
        async with bench({"openai": vendor}) as it, asyncio.timeout(60):
            with socket.create_connection(("127.0.0.1", it.port)) as caller:
                caller.sendall(sent)
            assert (await it.ask(ASK)).status == 200
            assert (vendor.asked, len(it.journal), row.record) == (1, 2, None)

    asyncio.run(story())


@either
@pytest.mark.parametrize(
    ("ask", "script"),
    [(ASK, raw(end="silence")), (STREAM, raw(end="silence")), (STREAM, streams(ROLE, end="silence"))],
    ids=["plain", "stream, before the head", "stream, before the token"],
)
def test_who_hangs_up_before_the_answer(provider: str, ask: dict[str, Any], script: Script) -> None:
    async def story() -> None:
        row = ROWS["the caller hangs up before the answer"]
        vendor, other = Vendor(script), Vendor(says(WHOLE))
        async with bench({provider: vendor, "glm": other}, failover="anywhere") as it, asyncio.timeout(60):
            _, writer = await it.send(ask)
            await vendor.until_asked(1)
            writer.close()
            await vendor.hung_up.wait()
            await it.journal.until(Ended)
            one_end(it, row.record or "", Usage())
            assert (it.journal.ended[0].status, vendor.asked, other.asked) == (row.status, 1, 0)

    asyncio.run(story())


@either
def test_who_hangs_up_in_the_middle(provider: str) -> None:
    async def story() -> None:
        row, vendor = ROWS["the caller hangs up in the middle"], Vendor(streams(*HALO, end="silence"))
        async with bench({provider: vendor}) as it, asyncio.timeout(60):
            reader, writer = await it.send(STREAM)
            await reader.readuntil(b" dunia")
            writer.close()
            await vendor.hung_up.wait()
            await it.journal.until(Ended)
            one_end(it, row.record or "", it.journal.ended[0].usage)
            assert (it.journal.ended[0].status, it.journal.ended[0].usage.output) == (row.status, 3)
            assert it.gate.health.snapshot(START) == {}

    asyncio.run(story())


@either
@pytest.mark.parametrize("ask", [ASK, STREAM], ids=["plain", "stream"])
def test_who_hangs_up_on_a_probe_leaves_it_to_the_next(provider: str, ask: dict[str, Any]) -> None:
    async def story() -> None:
        good = streams(*HALO, *LAST) if ask is STREAM else says(WHOLE)
        vendor, clock = Vendor(*[says(b"", 500)] * 5, raw(end="silence"), good), TurnableClock(START)
        async with bench({provider: vendor}, clock=clock) as it, asyncio.timeout(60):
            for _ in range(6):
                await it.ask(ask)
            clock.turn(seconds=1)
            _, writer = await it.send(ask)
            await vendor.until_asked(6)
            assert (await it.ask(ask)).status == 502
            writer.close()
            await vendor.hung_up.wait()
            assert [(await it.ask(ask)).status for _ in range(3)] == [200] * 3
            assert vendor.asked == 9

    asyncio.run(story())


def deaf(it: Bench, ask: dict[str, Any]) -> socket.socket:
    """A caller who asks and does not read."""
    body, caller = json.dumps(ask).encode(), socket.create_connection(("127.0.0.1", it.port))
    caller.sendall(b"%bauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n" % (PATH, KEY.encode(), len(body)) + body)
    return caller


class Fountain:
    """A vendor's stream that goes on until it is cut: `sent` bytes, and whether it is `paused` by who reads it."""

    def __init__(self) -> None:
        self.sent, self.paused = 0, asyncio.Event()

    async def script(self, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await streams(*HALO)(body, reader, _Headless(writer))  # type: ignore[arg-type]  # the part that it needs
        while True:
            writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
            self.sent += len(PIECE)
            try:
                async with asyncio.timeout(0.2):
                    await writer.drain()
            except TimeoutError:
                self.paused.set()
                await writer.drain()


class _Headless:
    """A writer that keeps the end of the stream to itself."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        if data != b"0\r\n\r\n":
            self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()


@either
def test_who_does_not_read_makes_the_vendor_wait_and_is_cut(provider: str) -> None:
    async def story() -> None:
        row, fountain = ROWS["the caller does not read (`GAPURA_READ_S`)"], Fountain()
        vendor = Vendor(fountain.script)
        async with bench({provider: vendor}, limits=Limits(write_s=1.0)) as it, asyncio.timeout(60):
            with deaf(it, STREAM):
                await fountain.paused.wait()
                await vendor.hung_up.wait()
                await it.journal.until(Ended)
            # Sockets on loopback hold some 6 MB; the gate itself a queue, what waits to be written and one read.
            assert fountain.sent < 16_000_000 + QUEUE_BYTES
            (ended,) = it.journal.ended
            assert (ended.outcome, ended.status, ended.usage.estimated) == (row.record, row.status, True)
            one_end(it, "cut", ended.usage)
            assert it.gate.health.snapshot(START) == {}

    asyncio.run(story())


def test_who_does_not_read_keeps_nobody_else() -> None:
    async def story() -> None:
        fountain, quick = Fountain(), Vendor(says(WHOLE))
        vendors = {"openai": Vendor(fountain.script), "glm": quick}
        async with bench(vendors, apart=True, limits=Limits(write_s=60)) as it, asyncio.timeout(60):
            with deaf(it, STREAM | {"model": "openai"}):
                await fountain.paused.wait()
                for _ in range(20):
                    assert (await it.ask(ASK | {"model": "glm"})).status == 200
                assert len(it.gate.running) == 1

    asyncio.run(story())


def test_who_hangs_up_while_an_error_is_being_told_leaves_no_trace() -> None:
    """The edge would log what the river lets out as a bug of ours."""

    async def story() -> None:
        stuck, sent = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(ASK).encode()}

        async def send(message: Any) -> None:
            stuck.set()
            await sent.wait()

        async with bench({"openai": Vendor(says(b"", 500))}) as it, asyncio.timeout(60):
            headers = [(b"authorization", b"Bearer " + KEY.encode())]
            scope = {"path": "/v1/chat/completions", "headers": headers, "client": ("192.0.2.1", 1)}

            async def called() -> Exchange:
                exchange = Exchange(scope, receive, send, request_id="req_1", at=START)
                asyncio.ensure_future(stuck.wait()).add_done_callback(lambda _: exchange.hang_up())
                await serve(exchange, it.gate)
                return exchange

            exchange = await asyncio.create_task(called())
            assert (exchange.gone, exchange.status) == (True, 502)
            one_end(it, "failed", Usage())

    asyncio.run(story())


def test_a_plain_answer_that_is_not_read_was_given() -> None:
    async def story() -> None:
        whole = WHOLE | {"padding": "z" * 20_000_000}
        async with bench({"openai": Vendor(says(whole))}, limits=Limits(write_s=0.3)) as it, asyncio.timeout(60):
            with deaf(it, ASK):
                await it.journal.until(Ended)
            one_end(it, "complete", Usage(5, 3))
            assert (await it.ask(ASK)).status == 200

    asyncio.run(story())
