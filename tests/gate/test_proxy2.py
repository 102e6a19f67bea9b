"""PROXY version 2: what the bytes mean, cut anywhere; and over real sockets, who is believed, and who is dropped."""

import asyncio
import logging
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from tests.gate.test_edge import GET, App, Caller, Run

from gapura.atlas.proxies import Trust
from gapura.gate.edge import EdgeProtocol, server
from gapura.gate.head import Limits
from gapura.gate.proxy2 import LONGEST, SIGNATURE, BadPreface, Preface, Prefaced, read, trusting

HERE, ELSEWHERE = Trust(["127.0.0.0/8"]), Trust(["192.0.2.0/24"])
TLV = b"\x03\x00\x04\x01\x02\x03\x04"
WHOLE = GET + b"\r\n"


def header(source: str = "36.1.1.1", *, command: int = 0x21, family: int = 0, more: bytes = b"") -> bytes:
    packed = ip_address(source).packed
    family = family or (0x11 if len(packed) == 4 else 0x21)
    body = packed + bytes(len(packed)) + (5678).to_bytes(2) + (443).to_bytes(2) + more
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2) + body


NAMELESS = SIGNATURE + b"\x21\x00\x00\x00"
UNIX = SIGNATURE + b"\x21\x31" + (216).to_bytes(2) + bytes(216)


@pytest.mark.parametrize(
    ("data", "client"),
    [
        (header(), ("36.1.1.1", 5678)),
        (header("2400::1"), ("2400::1", 5678)),
        (header("::ffff:36.1.1.1"), ("::ffff:36.1.1.1", 5678)),
        (header(more=TLV), ("36.1.1.1", 5678)),
        (header(command=0x20), None),
        (SIGNATURE + b"\x20\x00\x00\x00", None),
        (NAMELESS, None),
        (UNIX, None),
    ],
)
def test_what_a_header_says_wherever_it_is_cut(data: bytes, client: tuple[str, int] | None) -> None:
    assert read(data) == read(data + WHOLE) == Preface(client, len(data))
    assert {read(data[:size]) for size in range(len(data))} == {None}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (WHOLE, "signature"),
        (b"PROXY TCP4 36.1.1.1 10.0.0.1 5678 443\r\n", "signature"),
        (b"\r\n\r\n\x00\r\nQUIT\r", "signature"),
        (header(command=0x11), "version and command"),
        (header(command=0x22), "version and command"),
        (header(family=0x12), "family and transport"),
        (header(family=0x99), "family and transport"),
        (header(family=0x21), "ends within its addresses"),
        (SIGNATURE + b"\x21\x11\x00\x00", "ends within its addresses"),
        (SIGNATURE + b"\x21\x11\xff\xff", "65535 bytes"),
        (SIGNATURE + b"\x20\x00\x10\x00" + bytes(LONGEST), "4096 bytes"),
    ],
)
def test_what_is_no_header(data: bytes, why: str) -> None:
    with pytest.raises(BadPreface, match=why):
        read(data)


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_a_header_or_the_beginning_of_one_or_none(garbage: bytes, signed: bool) -> None:
    data = SIGNATURE + garbage if signed else garbage
    try:
        found = read(data)
    except BadPreface:
        return
    assert found is None or found.size <= len(data)
    assert found is None or found.client is None or ip_address(found.client[0])


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


Said = tuple[int, Any]


async def exchange(
    protocol: type[EdgeProtocol], data: bytes, *, pieces: int = 1, limits: Limits | None = None
) -> list[Said]:
    """Status and body of the answers to `data`, and to one more request on the same connection; none where it was
    dropped without a word."""
    made = server(App(), limits=limits or Limits(), protocol=protocol)
    made.config.load()
    kind: Any = made.config.http_protocol_class
    listener = await asyncio.get_running_loop().create_server(
        lambda: kind(config=made.config, server_state=made.server_state, app_state={}), "127.0.0.1", 0
    )
    caller = Caller(*await asyncio.open_connection(*listener.sockets[0].getsockname()))
    said: list[Said] = []
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        for asked in (data, WHOLE):
            await caller.say(asked, pieces=pieces)
            status, _, body = await caller.hear()
            said.append((status, body))
    with suppress(ConnectionError):
        assert said[1:] or await caller.end() == b""
    caller.leave()
    listener.close()
    while made.server_state.connections or made.server_state.tasks:  # noqa: ASYNC110 - nothing to wait for
        await asyncio.sleep(0)
    return said


@pytest.mark.parametrize("pieces", [1, 7, 1000])
@pytest.mark.parametrize(
    ("preface", "client"),
    [
        (header(), ["36.1.1.1", 5678]),
        (header("2400::1", more=TLV), ["2400::1", 5678]),
        (NAMELESS, None),
        (header(command=0x20), None),
    ],
)
def test_a_trusted_peer_says_who_is_behind_it(run: Run, preface: bytes, client: object, pieces: int) -> None:
    async def story() -> None:
        said = await exchange(trusting(HERE), preface + WHOLE, pieces=pieces)
        assert [(status, seen["client"]) for status, seen in said] == [(200, client)] * 2

    run(story())


@pytest.mark.parametrize(
    ("trust", "data"),
    [
        (HERE, WHOLE),
        (HERE, b"PROXY TCP4 36.1.1.1 10.0.0.1 5678 443\r\n" + WHOLE),
        (HERE, header(family=0x12) + WHOLE),
        (HERE, bytes(1000)),
        (ELSEWHERE, header() + WHOLE),
        (ELSEWHERE, WHOLE),
    ],
)
def test_whoever_else_comes_is_dropped(
    run: Run, trust: Trust, data: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prefaced, "_quiet_until", 0.0)

    async def story() -> None:
        with caplog.at_level(logging.WARNING):
            assert await exchange(trusting(trust), data) == []

    run(story())
    assert "GAPURA_PROXY_PROTOCOL is required" in caplog.text


def test_a_header_that_does_not_come_is_not_waited_for(run: Run) -> None:
    async def story() -> None:
        assert await exchange(trusting(HERE), header()[:20], limits=Limits(head_s=0.01)) == []

    run(story())


@pytest.mark.parametrize(("protocol", "data"), [(EdgeProtocol, header()), (trusting(HERE), header() * 2)])
def test_where_none_is_due_it_is_no_http(run: Run, protocol: type[EdgeProtocol], data: bytes) -> None:
    async def story() -> None:
        said = await exchange(protocol, data + WHOLE)
        assert [(status, body["error"]["code"]) for status, body in said] == [(400, "malformed_request")]

    run(story())
