"""Circuits as a vendor counts them, by a clock that is turned by hand: nobody is hammered, and nobody shut out."""

import asyncio
from typing import Any

import pytest
from tests.request.conftest import HALO, LAST, START, WHOLE, Bench, Script, Vendor, bench, says, streams
from tests.request.test_faults import ASK, STREAM, error

from gapura.clock import SECOND, TurnableClock

both = pytest.mark.parametrize("ask", [ASK, STREAM], ids=["plain", "stream"])
either = pytest.mark.parametrize("provider", ["openai", "qwen"])


def well(ask: dict[str, Any]) -> Script:
    return streams(*HALO, *LAST) if ask is STREAM else says(WHOLE)


class Outage:
    """A vendor that is ill until `until`, and when it was asked, in seconds."""

    def __init__(self, clock: TurnableClock, until: float, ill: Script, well: Script) -> None:
        self._clock, self._until, self._ill, self._well = clock, until, ill, well
        self.asked: list[float] = []

    async def script(self, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = (self._clock() - START) / SECOND
        self.asked.append(now)
        await (self._ill if now < self._until else self._well)(body, reader, writer)


@both
@either
def test_503_for_a_minute(provider: str, ask: dict[str, Any]) -> None:
    async def story() -> None:
        clock = TurnableClock(START)
        outage = Outage(clock, 60, says(b"Sorry.", 503), well(ask))
        async with bench({provider: Vendor(outage.script)}, clock=clock) as it, asyncio.timeout(60):
            heard: list[tuple[int, str | None]] = []
            for _ in range(4 * 70):
                said = await it.ask(ask)
                heard.append((said.status, said.headers.get("retry-after")))
                clock.turn(seconds=0.25)
            # It opens at the fifth failure, probes after 1, 2, 4, 8 … seconds, and closes.
            probes = [2, 4, 8, 16, 32, 64]
            assert outage.asked[:12] == [0, 0.25, 0.5, 0.75, 1, *probes, 64.25]
            assert heard[: 4 * 64].count((503, None)) == 10
            assert all(status == 503 and after for status, after in heard[5 : 4 * 64] if (status, after) != (503, None))
            assert heard[4 * 32 + 1] == (503, "32") and heard[4 * 64 - 1] == (503, "1")
            assert heard[4 * 64 :] == [(200, None)] * 24
            assert len(it.journal.ended) == len(outage.asked)

    asyncio.run(story())


@both
@either
def test_retry_after_is_kept_to(provider: str, ask: dict[str, Any]) -> None:
    async def story() -> None:
        clock = TurnableClock(START)
        limit = says(error("rate_limit_exceeded", "Slow down, org-1234."), 429, retry_after="30")
        outage = Outage(clock, 40, limit, well(ask))
        async with bench({provider: Vendor(outage.script)}, clock=clock) as it, asyncio.timeout(60):
            heard = []
            for second in range(62):
                said = await it.ask(ask)
                heard.append((said.status, said.headers.get("retry-after")))
                assert said.status == 200 or said.json["error"]["code"] == "rate_limit_exceeded"
                assert (b"org-1234" in said.body) == (second in {0, 30})  # one caller's words are for nobody else
                clock.turn(seconds=1)
            assert outage.asked == [0, 30, 60, 61]
            assert heard[:30] == [(429, str(30 - second)) for second in range(30)]
            assert heard[60:] == [(200, None)] * 2

    asyncio.run(story())


@both
def test_one_probe_at_a_time(ask: dict[str, Any]) -> None:
    async def story() -> None:
        clock, go = TurnableClock(START), asyncio.Event()

        async def slowly(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await go.wait()
            await well(ask)(body, reader, writer)

        vendor = Vendor(*[says(b"", 500)] * 5, slowly)
        async with bench({"openai": vendor}, clock=clock) as it, asyncio.timeout(60):
            for _ in range(5):
                await it.ask(ask)
            clock.turn(seconds=1)
            probe = asyncio.create_task(it.ask(ask))
            await vendor.until_asked(6)
            others = [await it.ask(ask) for _ in range(20)]
            assert {(said.status, said.headers["retry-after"]) for said in others} == {(502, "1")}
            assert vendor.asked == 6
            go.set()
            assert (await probe).status == 200
            assert [(await it.ask(ask)).status for _ in range(3)] == [200] * 3

    asyncio.run(story())


def test_the_first_token_of_a_probe_lets_the_others_in() -> None:
    async def story() -> None:
        clock, go = TurnableClock(START), asyncio.Event()
        vendor = Vendor(*[says(b"", 500)] * 5, streams(*HALO, go, *LAST), says(WHOLE))
        async with bench({"openai": vendor}, clock=clock) as it, asyncio.timeout(60):
            for _ in range(5):
                await it.ask(ASK)
            clock.turn(seconds=1)
            reader, writer = await it.send(STREAM)
            await reader.readuntil(b" dunia")
            assert await rounds(it, 3) == [200] * 3
            go.set()
            assert (await reader.read()).count(b"[DONE]") == 1
            writer.close()

    asyncio.run(story())


@both
@either
def test_a_whole_answer_forgives_what_was_before(provider: str, ask: dict[str, Any]) -> None:
    async def story() -> None:
        ill = [says(b"", 500)] * 4
        vendor = Vendor(*ill, well(ask), *ill, well(ask))
        async with bench({provider: vendor}) as it, asyncio.timeout(60):
            assert [(await it.ask(ask)).status for _ in range(10)] == [502] * 4 + [200] + [502] * 4 + [200]
            assert vendor.asked == 10

    asyncio.run(story())


def test_a_probe_that_breaks_in_the_middle_opens_it_again_for_longer() -> None:
    async def story() -> None:
        clock, go = TurnableClock(START), asyncio.Event()
        vendor = Vendor(*[says(b"", 500)] * 5, streams(*HALO, go, end="cut"), says(WHOLE))
        async with bench({"openai": vendor}, clock=clock) as it, asyncio.timeout(60):
            for _ in range(5):
                await it.ask(ASK)
            clock.turn(seconds=1)
            reader, writer = await it.send(STREAM)
            await reader.readuntil(b" dunia")
            go.set()
            assert b"upstream_failed" in await reader.read()
            writer.close()
            said = await it.ask(ASK)
            assert (said.status, said.headers["retry-after"], vendor.asked) == (502, "2", 6)
            clock.turn(seconds=2)
            assert (await it.ask(ASK)).status == 200

    asyncio.run(story())


def test_streams_from_before_do_not_shorten_what_a_vendor_asked_for() -> None:
    async def story() -> None:
        clock, go = TurnableClock(START), asyncio.Event()
        vendor = Vendor(streams(*HALO, go, *LAST), says(b"", 429, retry_after="20"), says(WHOLE))
        async with bench({"openai": vendor}, clock=clock) as it, asyncio.timeout(60):
            reader, writer = await it.send(STREAM)
            await reader.readuntil(b" dunia")
            assert (await it.ask(ASK)).status == 429
            go.set()
            assert (await reader.read()).count(b"[DONE]") == 1
            writer.close()
            assert (await it.ask(ASK)).headers["retry-after"] == "20"
            assert vendor.asked == 2
            clock.turn(seconds=20)
            assert (await it.ask(ASK)).status == 200

    asyncio.run(story())


async def rounds(it: Bench, times: int) -> list[int]:
    return [(await it.ask(ASK)).status for _ in range(times)]


def test_every_target_has_its_own_circuit_and_probe() -> None:
    async def story() -> None:
        clock, last = TurnableClock(START), says(WHOLE)
        first, second = Vendor(says(b"", 500)), Vendor(*[says(b"", 503)] * 6, last)
        async with bench({"qwen": first, "glm": second}, clock=clock) as it, asyncio.timeout(60):
            assert await rounds(it, 8) == [503] * 8
            assert (first.asked, second.asked) == (5, 5)
            clock.turn(seconds=1)
            assert await rounds(it, 4) == [503] * 4
            assert (first.asked, second.asked) == (6, 6)
            clock.turn(seconds=2)
            assert await rounds(it, 4) == [200] * 4
            assert (first.asked, second.asked) == (7, 10)

    asyncio.run(story())


@pytest.mark.parametrize(("failover", "asked", "status"), [("same-jurisdiction", 0, 502), ("anywhere", 8, 200)])
def test_an_open_circuit_is_no_reason_to_leave_the_jurisdiction(failover: str, asked: int, status: int) -> None:
    async def story() -> None:
        vendor, abroad = Vendor(says(b"", 500)), Vendor(says(WHOLE))
        async with bench({"openai": vendor, "qwen": abroad}, failover=failover) as it, asyncio.timeout(60):
            assert await rounds(it, 8) == [status] * 8
            assert (vendor.asked, abroad.asked) == (5, asked)

    asyncio.run(story())


def test_what_other_gates_found_out_is_heeded() -> None:
    async def story() -> None:
        clock, vendor = TurnableClock(START), Vendor(says(WHOLE))
        async with bench({"openai": vendor}, clock=clock) as it, asyncio.timeout(60):
            it.gate.health.merge({"openai/m": START + 5 * SECOND}, START)
            said = await it.ask(ASK)
            assert (said.status, said.headers["retry-after"], vendor.asked) == (503, "5", 0)
            assert [entry.code for entry in it.journal.refused] == ["server_is_overloaded"]
            clock.turn(seconds=5)
            assert await rounds(it, 3) == [200] * 3

    asyncio.run(story())


def test_mistakes_of_callers_shut_nobody_out() -> None:
    async def story() -> None:
        vendor = Vendor(*[says(error("context_length_exceeded"), 400)] * 20, says(WHOLE))
        async with bench({"openai": vendor}) as it, asyncio.timeout(60):
            assert await rounds(it, 22) == [400] * 20 + [200] * 2

    asyncio.run(story())


def test_a_callers_mistake_on_a_probe_leaves_it_to_the_next() -> None:
    async def story() -> None:
        clock = TurnableClock(START)
        vendor = Vendor(*[says(b"", 500)] * 5, says(error("context_length_exceeded"), 400), says(WHOLE))
        async with bench({"openai": vendor}, clock=clock) as it, asyncio.timeout(60):
            assert await rounds(it, 6) == [502] * 6
            clock.turn(seconds=1)
            assert await rounds(it, 3) == [400, 200, 200]

    asyncio.run(story())
