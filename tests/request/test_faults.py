"""Every fault before the caller has seen a byte: what they get, what the vendor counts, and what the journal says.

The expectations are those of `docs/reference/failures.md`.
"""

import asyncio
import json
from typing import Any

import pytest
from tests.request.conftest import (
    HALO,
    LAST,
    WHOLE,
    Bench,
    Said,
    Script,
    Vendor,
    bench,
    chunk,
    head,
    raw,
    says,
    streams,
    trickles,
)
from tests.request.table import ROWS, Row

from gapura.terms.usage import Usage

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Halo"}]}
STREAM = ASK | {"stream": True}

ROLE = chunk({"role": "assistant", "content": ""})
BUSY = b'data: {"error":{"message":"Busy.","code":"server_is_overloaded"}}\n\n'
CHUNKED = head(kind="text/event-stream", transfer_encoding="chunked")


def error(code: str | None = None, message: str = "Said.", **more: str) -> dict[str, Any]:
    return {"error": {"message": message, "code": code} | more}


EITHER: dict[str, Script] = {
    "429 with `Retry-After`": says(error("rate_limit_exceeded"), 429, retry_after="9"),
    "429 without it": says(error("rate_limit_exceeded"), 429),
    "out of credit": says(error("insufficient_quota"), 403),
    "500": says(b"", 500),
    "503": says(b"Sorry.", 503),
    "503 with `Retry-After`": says(b"Sorry.", 503, retry_after="9"),
    "504": says(b"", 504),
    "our credentials expired": says(error("invalid_api_key", "Key sk-1234567890 has expired."), 401),
    "our account may not": says(error(), 403),
    "the gateway's place is not served": says(error("unsupported_country_region_territory"), 403),
    "no such model": says(error("model_not_found"), 404),
    "no such method": says(error(), 405),
    "context too long": says(error("context_length_exceeded"), 400),
    "content refused": says(error("content_policy_violation"), 400),
    "any other bad request": says(error(), 400),
    "request too large": says(error(), 413),
    "redirect": says(b"", 302, location="http://127.0.0.1:1/v1/chat/completions"),
    "error inside a 200": says(error("server_error", "inside")),
    "rate limit inside a 200": says(error("rate_limit_exceeded")),
    "garbage": says(b'{"choices":[{"mess'),
    "HTML": says(b"<html><body>Sorry</body></html>", content_type="text/html"),
    "what is not HTTP": raw(b"SSH-2.0-elsewhere\r\n\r\n"),
    "reset before headers": raw(end="reset"),
    "an error whose text breaks off": raw(head(429, content_length="99", retry_after="9") + b'{"err'),
    "no answer at all (`first_byte_s`)": raw(end="silence"),
    "headers that trickle (`first_byte_s`)": trickles(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
}
PLAIN: dict[str, Script] = {
    "plain: an answer cut": raw(head(content_length="999") + json.dumps(WHOLE).encode()),
    "plain: an answer stalled (`idle_s`)": raw(head(content_length="999") + b'{"id"', end="silence"),
    "plain: an answer that trickles (`first_byte_s`)": trickles(head(content_length="9999999"), b" "),
}
STREAMED: dict[str, Script] = {
    "stream: slow first token (`first_token_s`)": streams(ROLE, end="silence"),
    "stream: keep-alives and no token (`first_token_s`)": trickles(CHUNKED, b"6\r\n: hi\n\n\r\n"),
    "stream: cut before a token": streams(ROLE, end="cut"),
    "stream: empty": streams(b"data: [DONE]\n\n"),
    "stream: error as the first event": streams(BUSY, end="silence"),
    "stream: error together with the first token": streams(ROLE, 0.01, HALO[1] + BUSY, end="silence"),
    "stream: broken event before a token": streams(ROLE, b'data: {"id":"c1","choi\n\n', end="silence"),
}
QWEN = {"an image that cannot be fetched (qwen)": says(error("InvalidURL"), 400)}

CASES = [
    *[
        (name, script, provider, ask)
        for name, script in EITHER.items()
        for provider in ("openai", "qwen")
        for ask in (ASK, STREAM)
    ],
    *[(name, script, provider, ASK) for name, script in PLAIN.items() for provider in ("openai", "qwen")],
    *[(name, script, provider, STREAM) for name, script in STREAMED.items() for provider in ("openai", "qwen")],
    *[(name, script, "qwen", ask) for name, script in QWEN.items() for ask in (ASK, STREAM)],
]
every_case = pytest.mark.parametrize(
    ("fault", "script", "provider", "ask"),
    CASES,
    ids=[f"{name}-{provider}-{'stream' if 'stream' in ask else 'plain'}" for name, _, provider, ask in CASES],
)

SENT_BEFORE_IT_OPENS = {"opens": 1, "counts": 5}


def deadline(fault: str, seconds: float) -> dict[str, Any]:
    """The one that the row names."""
    return {fault.partition("`")[2].partition("`")[0]: seconds} if fault.endswith("_s`)") else {}


def check(said: Said, row: Row) -> None:
    """The caller's side of a row."""
    assert said.headers["content-type"] == "application/json"
    assert (said.status, said.json["error"]["code"]) == (row.status, row.code)
    assert said.headers.get("x-should-retry") == row.should_retry
    assert said.headers.get("retry-after") == ("9" if row.retry_after else None)
    assert "sk-1234567890" not in said.body.decode()
    assert "gapura-provider" not in said.headers


def one_end(it: Bench, outcome: str, usage: Usage) -> None:
    """Every request that was opened has one end, and this is the last."""
    assert sorted(entry.id for entry in it.journal.ended) == sorted({entry.id for entry in it.journal.opened})
    assert (it.journal.ended[-1].outcome, it.journal.ended[-1].usage) == (outcome, usage)
    assert it.gate.running == {}


@every_case
def test_what_the_caller_gets_and_how_often_the_vendor_is_asked(
    fault: str, script: Script, provider: str, ask: dict[str, Any]
) -> None:
    async def story() -> None:
        row, vendor = ROWS[fault], Vendor(script)
        async with bench({provider: vendor}, **deadline(fault, 0.03)) as it, asyncio.timeout(60):
            check(await it.ask(ask), row)
            assert vendor.asked == 1
            one_end(it, row.record or "", Usage())
            for _ in range(6):
                said = await it.ask(ask)
                assert (said.status, said.json["error"]["code"]) == (row.status, row.code)
            assert vendor.asked == SENT_BEFORE_IT_OPENS.get(row.circuit or "", 7)
            resting = ROWS["its circuit is open"]
            assert len(it.journal.refused) == 7 - vendor.asked
            assert {entry.status for entry in it.journal.refused} <= {row.status} and resting.record == "refused"
            one_end(it, row.record or "", Usage())

    asyncio.run(story())


@every_case
def test_whether_the_next_target_is_asked_and_named(
    fault: str, script: Script, provider: str, ask: dict[str, Any]
) -> None:
    async def story() -> None:
        row, vendor = ROWS[fault], Vendor(script)
        good = Vendor(streams(*HALO, *LAST) if "stream" in ask else says(WHOLE | {"model": "glm-good"}))
        vendors = {provider: vendor, "glm": good}
        async with bench(vendors, failover="anywhere", **deadline(fault, 0.25)) as it, asyncio.timeout(60):
            said = await it.ask(ask)
            assert (vendor.asked, good.asked) == (1, int(row.another == "yes"))
            if row.another != "yes":
                return check(said, row)
            assert (said.status, said.headers["gapura-provider"]) == (200, "glm/m")
            assert b'"model":"m"' in said.body if "stream" in ask else said.json["model"] == "glm-good"
            assert b"Halo" in said.body
            assert [entry.provider for entry in it.journal.opened] == [provider, "glm"]
            assert it.journal.opened[1].previous.startswith(str(row.status))
            return one_end(it, "complete", Usage(5, 3))

    asyncio.run(story())
