"""What goes wrong beneath HTTP, connections that are used again, and vendors that do not get into each other's way.

The expectations are those of `docs/reference/failures.md`.
"""

import asyncio
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trustme
from tests.request.conftest import HALO, LAST, WHOLE, Vendor, bench, raw, says, streams
from tests.request.table import ROWS
from tests.request.test_faults import ASK, STREAM, check, deadline, one_end

from gapura.providers.transport import Transport
from gapura.terms.usage import Usage

both = pytest.mark.parametrize("ask", [ASK, STREAM], ids=["plain", "stream"])


def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def certified() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


def unreachable(fault: str) -> Vendor:
    match fault:
        case "connection refused":
            return Vendor(url=nobody())
        case "name that does not resolve":
            return Vendor(url="http://nowhere.invalid/v1")
        case "TLS that fails":
            return Vendor(greeting=b"This is not TLS.\r\n", url="https://localhost:{port}/v1")
        case "certificate that is not good":
            return Vendor(tls=certified(), url="https://localhost:{port}/v1")
    return Vendor(url="https://localhost:{port}/v1")  # in the clear: waits for the end of a head


FAULTS = [
    "connection refused",
    "name that does not resolve",
    "TLS that fails",
    "certificate that is not good",
    "TLS that is silent (`connect_s`)",
]


@both
@pytest.mark.parametrize("fault", FAULTS)
def test_a_vendor_that_cannot_be_reached(fault: str, ask: dict[str, Any]) -> None:
    async def story() -> None:
        row, vendor = ROWS[fault], unreachable(fault)
        async with bench({"openai": vendor}, **deadline(fault, 0.05)) as it, asyncio.timeout(60):
            check(await it.ask(ask), row)
            for _ in range(5):
                await it.ask(ask)
            assert vendor.asked == 0
            assert (len(it.journal.ended), len(it.journal.refused)) == (5, 1)
            one_end(it, row.record or "", Usage())
        vendors = {"openai": unreachable(fault), "glm": Vendor(streams(*HALO, *LAST) if ask is STREAM else says(WHOLE))}
        async with bench(vendors, failover="anywhere", **deadline(fault, 0.5)) as it, asyncio.timeout(60):
            assert (await it.ask(ask)).headers["gapura-provider"] == "glm/m"

    asyncio.run(story())


def test_more_connections_than_may_be_are_nobodys_illness() -> None:
    async def story() -> None:
        row, vendor = ROWS["more than 10,000 connections to it"], Vendor(raw(end="silence"))
        async with bench({"openai": vendor}, transport=Transport(most_open=1)) as it, asyncio.timeout(60):
            _, writer = await it.send(ASK)
            await vendor.until_asked(1)
            for _ in range(7):
                check(await it.ask(ASK), row)
            assert vendor.asked == 1 and it.gate.health.snapshot(it.gate.clock()) == {}
            writer.close()
            await vendor.hung_up.wait()

    asyncio.run(story())


@both
def test_a_reused_connection_that_is_closed_is_replaced_once(ask: dict[str, Any]) -> None:
    async def story() -> None:
        row = ROWS["reused connection closed by the vendor"]
        good = streams(*HALO, *LAST) if ask is STREAM else says(WHOLE)
        vendor = Vendor(good, raw(end="close"), good, good, raw(end="reset"), good)
        async with bench({"openai": vendor}) as it, asyncio.timeout(60):
            for asked, connected in ((1, 1), (3, 2), (4, 2), (6, 3)):
                said = await it.ask(ask)
                assert (said.status, b"Halo" in said.body) == (row.status, True)
                assert (vendor.asked, vendor.connected) == (asked, connected)
                one_end(it, row.record or "", Usage(5, 3))
            assert [len(it.journal.opened), len(it.journal.ended)] == [4, 4]
            assert {entry.attempt for entry in it.journal.opened} == {1}

    asyncio.run(story())


@both
def test_a_fresh_connection_that_is_closed_is_not(ask: dict[str, Any]) -> None:
    async def story() -> None:
        good = streams(*HALO, *LAST) if ask is STREAM else says(WHOLE)
        vendor = Vendor(good, raw(end="close"))
        async with bench({"openai": vendor}) as it, asyncio.timeout(60):
            assert (await it.ask(ask)).status == 200
            check(await it.ask(ask), ROWS["reset before headers"])
            assert (vendor.asked, vendor.connected) == (3, 2)

    asyncio.run(story())


def test_a_vendors_key_goes_to_its_own_host_only() -> None:
    async def story() -> None:
        elsewhere = Vendor(says(WHOLE))
        server = await asyncio.start_server(elsewhere.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for status in (301, 302, 303, 307, 308):
            vendor = Vendor(says(b"", status, location=f"http://127.0.0.1:{port}/v1/chat/completions"))
            async with bench({"openai": vendor}) as it, asyncio.timeout(60):
                check(await it.ask(ASK), ROWS["redirect"])
        assert (elsewhere.asked, elsewhere.connected) == (0, 0)
        server.close()

    asyncio.run(story())


def test_a_silent_name_server_keeps_nobody_from_another_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up, answers = socket.getaddrinfo, threading.Event()
    asked: list[str] = []

    async def story() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        loop.set_default_executor(ThreadPoolExecutor(4))  # as many as libuv has

        def slowly(host: Any, *args: Any, **more: Any) -> Any:
            if host != "slow.test":
                return look_up(host, *args, **more)
            asked.append(host)
            loop.call_soon_threadsafe(begun.set)
            answers.wait()
            raise socket.gaierror

        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        slow, quick = Vendor(url="http://slow.test/v1"), Vendor(says(WHOLE), url="http://localhost:{port}/v1")
        async with bench({"openai": slow, "glm": quick}, apart=True, connect_s=0.5) as it, asyncio.timeout(60):
            waiting = [asyncio.create_task(it.ask(ASK | {"model": "openai"})) for _ in range(20)]
            await begun.wait()
            try:
                assert (await it.ask(ASK | {"model": "glm"})).status == 200
                for said in await asyncio.gather(*waiting):
                    check(said, ROWS["TLS that is silent (`connect_s`)"])
                assert asked == ["slow.test"]
            finally:
                answers.set()

    asyncio.run(story())


def test_two_hundred_who_wait_for_one_vendor_keep_nobody_from_another() -> None:
    async def story() -> None:
        slow, quick = Vendor(raw(end="silence")), Vendor(says(WHOLE))
        async with bench({"openai": slow, "glm": quick}, apart=True) as it, asyncio.timeout(60):
            waiting = [await it.send(ASK | {"model": "openai"}) for _ in range(200)]
            await slow.until_asked(200)
            for _ in range(50):
                assert (await it.ask(ASK | {"model": "glm"})).status == 200
            assert (slow.asked, quick.asked, len(it.gate.running)) == (200, 50, 200)
            assert not slow.hung_up.is_set()
            for _, writer in waiting:
                writer.close()
            while it.gate.running:
                await it.journal.grown.wait()
                it.journal.grown.clear()
            assert [entry.status for entry in it.journal.ended if entry.outcome == "cut"] == [499] * 200

    asyncio.run(story())
