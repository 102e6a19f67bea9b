"""Vendors that do not speak OpenAI's API, through the whole river and over real sockets."""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.request.conftest import HALO, WHOLE, Vendor, bench, chunk, says, streams
from tests.testing.cases import ANTHROPIC, DASHSCOPE, OURS

from gapura.clock import SECOND, TurnableClock
from gapura.errors import RegionBlocked
from gapura.providers.glm import GLM
from gapura.providers.jwt import token
from gapura.providers.zai import with_tokens
from gapura.request.relay import Way
from gapura.sandbox.shape import EVENTS

HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Halo"}], "max_tokens": 50}


def asked(vendor: Vendor, number: int = -1) -> tuple[str, dict[str, str]]:
    """The line and the headers of a request that came."""
    line, *lines = vendor.heads[number].decode().strip().split("\r\n")
    return line, {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}


def test_anthropic_plain(loop: asyncio.Runner) -> None:
    limits: Any = {"anthropic_ratelimit_requests_limit": "50", "anthropic_ratelimit_requests_remaining": "49"}

    async def go() -> None:
        vendor = Vendor(says(ANTHROPIC.answers[0].wire, **limits))
        async with bench({"anthropic": vendor}) as gate:
            said = await gate.ask(HELLO)
        line, headers = asked(vendor)
        assert line == "POST /v1/messages HTTP/1.1"
        assert (headers["x-api-key"], headers["anthropic-version"]) == ("vk", "2023-06-01")
        assert json.loads(vendor.bodies[0])["max_tokens"] == 50
        assert said.status == 200 and said.json["choices"][0]["message"]["content"] == "Pagi"
        assert said.headers["x-ratelimit-limit-requests"] == "50"
        assert said.headers["x-ratelimit-remaining-requests"] == "49"
        assert (gate.journal.ended[0].usage.input, gate.journal.ended[0].usage.output) == (9, 5)

    loop.run(go())


LIMITS: Any = {"x_ratelimit_limit_requests": "300", "x_ratelimit_remaining_requests": "0", "retry_after": "12"}
TOO_MANY = {"error": {"code": "rpm_rate_limit_exceeded", "message": "Rate limit reached for RPM"}, "id": "as-1"}


@pytest.mark.parametrize(
    ("answer", "stream"),
    [
        (says(TOO_MANY, 429, **LIMITS), False),
        (says(TOO_MANY, 429, **LIMITS), True),
        (says({"code": 336501, "msg": "Rate limit reached for RPM"}, **LIMITS), False),
        (says(f"data: {json.dumps(TOO_MANY)}\n\n".encode(), content_type=EVENTS.decode(), **LIMITS), True),
    ],
    ids=["plain", "stream", "inside a 200", "first in a stream"],
)
def test_what_is_left_of_a_limit_is_told_beside_an_error(loop: asyncio.Runner, answer: Any, *, stream: bool) -> None:
    async def go() -> None:
        async with bench({"ernie": Vendor(answer)}) as gate:
            said = await gate.ask({**HELLO, "stream": stream})
        assert (said.status, said.json["error"]["code"]) == (429, "rate_limit_exceeded")
        assert said.headers["x-ratelimit-limit-requests"] == "300"
        assert (said.headers["x-ratelimit-remaining-requests"], said.headers["retry-after"]) == ("0", "12")

    loop.run(go())


@pytest.mark.parametrize(
    ("name", "wire"), [("anthropic", ANTHROPIC.streams[0].wire), ("dashscope", DASHSCOPE.streams[0].wire)]
)
def test_a_stream(loop: asyncio.Runner, name: str, wire: bytes) -> None:
    async def go() -> None:
        vendor = Vendor(says(wire, content_type=EVENTS.decode()))
        async with bench({name: vendor}) as gate:
            said = await gate.ask({**HELLO, "stream": True, "stream_options": {"include_usage": True}})
        assert said.status == 200 and said.events[-1] == "[DONE]"
        chunks = [json.loads(one) for one in said.events[:-1]]
        text = "".join(choice["delta"].get("content") or "" for one in chunks for choice in one["choices"])
        assert text == OURS[name].streams[0].text
        assert [one["usage"]["completion_tokens"] for one in chunks if one.get("usage")] == [5]
        if name == "dashscope":
            line, headers = asked(vendor)
            assert line.startswith("POST /v1/services/aigc/text-generation/generation ")
            assert headers["x-dashscope-sse"] == "enable"

    loop.run(go())


def test_azure_is_asked_at_the_deployment(loop: asyncio.Runner) -> None:
    async def go() -> None:
        vendor = Vendor(says(OURS["azure"].answers[0].wire))
        async with bench({"azure": vendor}, models={"azure": "gpt-4o prod"}) as gate:
            assert (await gate.ask(HELLO)).status == 200
        line, headers = asked(vendor)
        where = "/v1/openai/deployments/gpt-4o%20prod/chat/completions?api-version=2024-10-21"
        assert line == f"POST {where} HTTP/1.1"
        assert headers["api-key"] == "vk" and "authorization" not in headers

    loop.run(go())


def test_a_token_is_made_anew_for_each_request(loop: asyncio.Runner) -> None:
    async def go() -> None:
        vendor, clock = Vendor(says(OURS["glm"].answers[0].wire)), TurnableClock(1_795_000_000_000_000)
        async with bench({"glm": vendor}) as gate:
            signing = with_tokens(replace(GLM, clock=clock))
            upstream = gate.gate.ways["glm"].upstream
            gate.gate.ways["glm"] = Way(
                upstream, (), signing, b"id.secret", lambda: tuple(signing.headers("id.secret"))
            )
            for _ in range(2):
                assert (await gate.ask(HELLO)).status == 200
                clock.turn(seconds=200)
        first, second = (asked(vendor, n)[1]["authorization"].removeprefix("Bearer ") for n in range(2))
        assert (first, second) == (
            token("id.secret", clock() - 400 * SECOND),
            token("id.secret", clock() - 200 * SECOND),
        )

    loop.run(go())


REFUSALS: dict[str, Any] = {
    "openai": {
        "error": {
            "code": "unsupported_country_region_territory",
            "message": "Country, region, or territory not supported",
            "param": None,
            "type": "request_forbidden",
        }
    },
    "anthropic": {"error": {"type": "forbidden", "message": "Request not allowed"}},
    "azure": {"error": {"code": "403", "message": "This region is not supported."}},
    "glm": {"error": {"code": "1220", "message": "Your location is not supported for this API."}},
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_of_our_place_is_told_once_and_noted_as_egress(loop: asyncio.Runner, name: str) -> None:
    """`store.sightings.astray` counts what the journal says here, and `gapura doctor egress` tells it."""

    async def go() -> None:
        vendor = Vendor(says(REFUSALS[name], 403))
        async with bench({name: vendor}) as gate:
            said = await gate.ask(HELLO)
        assert (said.status, said.json["error"]["code"]) == (403, RegionBlocked.code)
        assert said.headers["x-should-retry"] == "false"
        assert vendor.asked == 1
        assert [(one.outcome, one.error) for one in gate.journal.ended] == [("failed", RegionBlocked.code)]

    loop.run(go())


def test_overloaded_is_tried_elsewhere(loop: asyncio.Runner) -> None:
    async def go() -> None:
        overloaded = ANTHROPIC.errors[0]
        first, second = Vendor(says(overloaded.body, overloaded.status)), Vendor(says(OURS["azure"].answers[0].wire))
        async with bench({"anthropic": first, "azure": second}, failover="anywhere") as gate:
            assert (await gate.ask(HELLO)).status == 200
        assert (first.asked, second.asked) == (1, 1)

    loop.run(go())


def test_an_error_inside_a_200_is_seen_before_the_stream_begins(loop: asyncio.Runner) -> None:
    async def go() -> None:
        body = DASHSCOPE.errors[1].event
        vendor = Vendor(says(body, content_type=EVENTS.decode()))
        async with bench({"dashscope": vendor}) as gate:
            said = await gate.ask({**HELLO, "stream": True})
        assert (said.status, said.json["error"]["code"]) == (429, "insufficient_quota")
        assert said.headers["x-should-retry"] == "false"

    loop.run(go())


@pytest.mark.parametrize("name", ["openai", "qwen"])
def test_usage_that_the_vendor_does_not_say_is_estimated_and_told_as_that(loop: asyncio.Runner, name: str) -> None:
    """The record has what the caller is told."""

    async def go() -> None:
        whole = {name: value for name, value in WHOLE.items() if name != "usage"}
        vendor = Vendor(says(whole), streams(*HALO, chunk({}, "stop"), b"data: [DONE]\n\n"))
        async with bench({name: vendor}) as gate:
            plain = await gate.ask(HELLO)
            stream = await gate.ask({**HELLO, "stream": True, "stream_options": {"include_usage": True}})
        told = [plain.json["usage"], json.loads(stream.events[-2])["usage"]]
        assert stream.events[-1] == "[DONE]" and json.loads(stream.events[-2])["choices"] == []
        for usage, ended in zip(told, gate.journal.ended, strict=True):
            assert usage["estimated"] is True and ended.usage.estimated
            assert (usage["prompt_tokens"], usage["completion_tokens"]) == (ended.usage.input, ended.usage.output)
            assert usage["prompt_tokens"] > 5 and usage["completion_tokens"] >= 2

    loop.run(go())
