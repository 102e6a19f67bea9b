"""Every fault after the first token: the stream's last event is an error, and never `[DONE]`.

The expectations are those of `docs/reference/failures.md`.
"""

import asyncio
import json
from typing import Any

import pytest
from tests.request.conftest import HALO, LAST, MESSAGE, Bench, Said, Vendor, bench, chunk, says, streams
from tests.request.table import ROWS
from tests.request.test_faults import BUSY, STREAM, deadline, one_end

from gapura.terms.usage import Usage
from gapura.wire.sse import MAX_EVENT

EXPIRED = b'data: {"error":{"message":"Key sk-1234567890 expired.","code":"invalid_api_key"}}\n\n'

# What the vendor sends once the caller has heard the first words, and how it ends.
BEGUN: list[tuple[str, tuple[bytes, ...], str]] = [
    ("begun: cut", (), "cut"),
    ("begun: cut", (chunk({"content": "!"})[:-9],), "cut"),
    ("begun: stalled (`idle_s`)", (), "silence"),
    ("begun: broken event", (b'data: {"id":"c1","choi\n\n', *LAST), "silence"),
    ("begun: broken event", (b"data: Sorry.\n\n", *LAST), "silence"),
    ("begun: an event over 1 MiB", (b'data: {"' + b"x" * MAX_EVENT,), "silence"),
    ("begun: error as an event", (BUSY, *LAST), "silence"),
    ("begun: error as an event", (chunk({"content": ""}) + BUSY,), "silence"),
    ("begun: our credentials expired", (EXPIRED,), "silence"),
    ("begun: ends unfinished, without `[DONE]`", (), "whole"),
]
every_fault = pytest.mark.parametrize(
    ("fault", "rest", "end"), BEGUN, ids=[f"{n} {name}" for n, (name, *_) in enumerate(BEGUN)]
)
either = pytest.mark.parametrize("provider", ["openai", "qwen"])


def text(events: list[str]) -> str:
    choices = [choice for event in events for choice in json.loads(event).get("choices", [])]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def listen(it: Bench, go: asyncio.Event) -> Said:
    """Lets the vendor go on when the first words are there."""
    reader, writer = await it.send(STREAM)
    heard = await reader.readuntil(b" dunia")
    go.set()
    answer = heard + await reader.read()
    writer.close()
    go.clear()
    return Said(answer)


@either
@every_fault
def test_what_is_truncated_is_never_whole(fault: str, rest: tuple[bytes, ...], end: str, provider: str) -> None:
    async def story() -> None:
        row, go = ROWS[fault], asyncio.Event()
        vendor, other = Vendor(streams(*HALO, go, *rest, end=end)), Vendor(streams(*HALO, *LAST))
        vendors = {provider: vendor, "glm": other}
        async with bench(vendors, failover="anywhere", **deadline(fault, 0.1)) as it, asyncio.timeout(60):
            said = await listen(it, go)
            *events, last = said.events
            assert (said.status, json.loads(last)["error"]["code"]) == (row.status, row.code)
            assert text(events) == "Halo dunia"
            assert "[DONE]" not in said.events and "sk-1234567890" not in last
            assert said.headers["gapura-provider"] == f"{provider}/m"
            assert {json.loads(event)["model"] for event in events} == {"m"}
            assert (vendor.asked, other.asked) == (1, 0)
            (ended,) = it.journal.ended
            assert (ended.outcome, ended.error, ended.usage.estimated) == (row.record, row.code, True)
            assert ended.usage.output == 3 and ended.usage.input > 0  # "Halo" and " dunia"
            one_end(it, "cut", ended.usage)

    asyncio.run(story())


@either
@every_fault
def test_what_breaks_in_the_middle_speaks_against_the_target(
    fault: str, rest: tuple[bytes, ...], end: str, provider: str
) -> None:
    async def story() -> None:
        go = asyncio.Event()
        vendor = Vendor(streams(*HALO, go, *rest, end=end))
        async with bench({provider: vendor}, **deadline(fault, 0.05)) as it, asyncio.timeout(60):
            for _ in range(5):
                assert (await listen(it, go)).status == 200
            said = await it.ask(STREAM)
            assert (said.json["error"]["code"], vendor.asked) == (ROWS[fault].code, 5)
            assert len(it.journal.ended) == 5

    asyncio.run(story())


@either
def test_a_stream_that_is_finished_needs_no_done(provider: str) -> None:
    async def story() -> None:
        row = ROWS["begun: ends finished, without `[DONE]`"]
        async with bench({provider: Vendor(streams(*HALO, *LAST[:2]))}) as it, asyncio.timeout(60):
            said = await it.ask(STREAM)
            assert (said.status, said.events[-1]) == (row.status, "[DONE]")
            assert text(said.events[:-1]) == "Halo dunia"
            one_end(it, row.record or "", Usage(5, 3))

    asyncio.run(story())


@pytest.mark.parametrize("provider", ["openai", "qwen"])
def test_of_two_choices_one_is_not_the_answer(provider: str) -> None:
    both = [chunk({}, choices=[{"index": n, "delta": {"content": "Halo"}, "finish_reason": None}]) for n in (0, 1)]
    end = chunk({}, choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])

    async def story() -> None:
        async with bench({provider: Vendor(streams(*both, end))}) as it, asyncio.timeout(60):
            said = await it.ask(STREAM | {"n": 2})
            assert "[DONE]" not in said.body.decode() and b"upstream_failed" in said.body
            assert it.journal.ended[0].outcome == "cut"

    asyncio.run(story())


def test_the_vendors_word_on_usage_is_taken_before_our_estimate() -> None:
    async def story() -> None:
        told, go = chunk({"content": "!"}, usage={"prompt_tokens": 50, "completion_tokens": 30}), asyncio.Event()
        vendor = Vendor(streams(*HALO, go, told, end="cut"))
        async with bench({"openai": vendor}) as it, asyncio.timeout(60):
            await listen(it, go)
            one_end(it, "cut", Usage(50, 30))

    asyncio.run(story())


def test_an_answer_without_usage_is_estimated_whole() -> None:
    silent: Any = {"id": "c", "model": "m", "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}

    async def story() -> None:
        for script, ask in ((says(silent), {"stream": False}), (streams(*HALO, LAST[0], LAST[2]), {})):
            async with bench({"openai": Vendor(script)}) as it, asyncio.timeout(60):
                assert (await it.ask(STREAM | ask)).status == 200
                (ended,) = it.journal.ended
                assert (ended.outcome, ended.usage.estimated) == ("complete", True)
                assert ended.usage.output > 0

    asyncio.run(story())
