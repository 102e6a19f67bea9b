"""What is over is gone: no request leaves objects that hold one another until the garbage collector looks for them.

It looks seldom (`app.loops.GARBAGE`), and what has ended by then is larger than what is open.
"""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvloop
from tests.request.conftest import HALO, LAST, WHOLE, Script, Vendor, bench, raw, says, streams
from tests.request.test_faults import ASK, STREAM

from gapura.gate.cycle import Cycle
from gapura.gate.edge import EdgeProtocol
from gapura.providers.connection import Connection
from gapura.request.accept import Exchange
from gapura.request.settle import Settling

KINDS = (EdgeProtocol, Cycle, Connection, Exchange, Settling)
PATH = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\n"
TURNS = 50
SILENCE_S = 0.05
NO = {"error": {"message": "no"}}

FATES: dict[str, tuple[Script, object]] = {
    "a plain answer": (says(WHOLE), ASK),
    "a stream": (streams(*HALO, *LAST), STREAM),
    "no JSON": (says(WHOLE), b"{"),
    "500": (says(NO, 500), ASK),
    "429 to a stream": (says(NO, 429), STREAM),
    "what is not HTTP": (raw(b"\0\0\0"), ASK),
    "HTML": (says(b"<html>"), ASK),
    "reset": (raw(end="reset"), STREAM),
    "cut before a token": (streams(end="cut"), STREAM),
    "cut": (streams(*HALO, end="cut"), STREAM),
    "silent": (raw(end="silence"), ASK),
    "stalled": (streams(*HALO, end="silence"), STREAM),
}


@pytest.fixture(autouse=True)
def nobody_looks() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> list[str]:
    return [type(one).__name__ for one in gc.get_objects() if isinstance(one, KINDS)]


def run(story: Callable[[], Awaitable[None]]) -> None:
    """And see that nothing is left, some turns of the loop later."""

    async def told() -> None:
        async with asyncio.timeout(60):
            await story()
        for _ in range(TURNS):
            if not left():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(left())

    uvloop.run(told())


@pytest.mark.parametrize(("script", "ask"), FATES.values(), ids=FATES)
@pytest.mark.parametrize("another", [False, True])
def test_nothing_is_left_of_a_request(script: Script, ask: object, another: bool) -> None:
    async def story() -> None:
        vendors = {"openai": Vendor(script)} | ({"qwen": Vendor(says(WHOLE))} if another else {})
        of_route: dict[str, Any] = dict.fromkeys(("first_byte_s", "first_token_s", "idle_s"), SILENCE_S)
        async with bench(vendors, failover="anywhere", **of_route) as it:
            assert (await it.ask(ask)).status
            reader, writer = await it.send(ask, connection="keep-alive")
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

    run(story)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://vendor.invalid/v1"])
def test_nothing_is_left_of_who_cannot_be_reached(url: str) -> None:
    async def story() -> None:
        async with bench({"openai": Vendor(raw(), url=url)}) as it:
            assert (await it.ask(ASK)).status == 502

    run(story)


@pytest.mark.parametrize("times", [1, 3])
def test_nothing_is_left_of_who_hangs_up(times: int) -> None:
    """Amid the first answer: of those that are to follow it none has begun."""

    async def story() -> None:
        vendor = Vendor(raw(end="silence"))
        async with bench({"openai": vendor}) as it:
            _, writer = await it.send(ASK, connection="keep-alive")
            for _ in range(times - 1):
                writer.write(PATH + b"content-length: 2\r\n\r\n{}")
            await vendor.until_asked(1)
            writer.transport.abort()
            await vendor.hung_up.wait()

    run(story)


@pytest.mark.parametrize("sent", [b"", b"POST /v1/ch", PATH, PATH + b"content-length: 9\r\n\r\n{"])
def test_nothing_is_left_of_who_hangs_up_while_sending(sent: bytes) -> None:
    async def story() -> None:
        async with bench({"openai": Vendor(says(WHOLE))}) as it:
            with socket.create_connection(("127.0.0.1", it.port)) as caller:
                caller.sendall(sent)
                assert (await it.ask(ASK)).status == 200

    run(story)


@pytest.mark.parametrize(
    "sent",
    [
        b"\0\r\n\r\n",
        b"POST /" + b"x" * 9_000,
        b"GET http://other/ HTTP/1.1\r\nhost: gate\r\n\r\n",
        PATH + b"x: y\r\n" * 101 + b"\r\n",
        PATH + b"transfer-encoding: identity\r\n\r\n",
        PATH + b"content-length: 9223372036854775807\r\n\r\n",
        PATH + b"transfer-encoding: chunked\r\n\r\nx\r\n",
        b"GET /livez HTTP/1.1\r\nhost: gate\r\n\r\n" * 50,
    ],
    ids=lambda sent: sent[:20],
)
def test_nothing_is_left_of_whom_the_edge_refuses(sent: bytes) -> None:
    async def story() -> None:
        async with bench({"openai": Vendor(says(WHOLE))}) as it:
            reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writer.write(sent)
            assert b"connection: close" in await reader.read()
            writer.close()

    run(story)
