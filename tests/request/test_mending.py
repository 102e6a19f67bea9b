"""Structured answers of vendors that have none: checked, asked for once more, and never passed off as right."""

import asyncio
import json
from typing import Any

import pytest
from tests.request.conftest import Bench, Vendor, bench, says

SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "How old?"}], "response_format": FORMAT}
RIGHT, WRONG = '{"age": 7}', '{"age": "seven"}'


def answer(text: str, reason: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    return {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}


def run(loop: asyncio.Runner, vendor: Vendor, change: dict[str, Any] | None = None) -> tuple[Any, Bench]:
    async def go() -> tuple[Any, Bench]:
        async with bench({"glm": vendor}) as gate:
            return await gate.ask(ASK | (change or {})), gate

    return loop.run(go())


def content(said: Any) -> str:
    return str(said.json["choices"][0]["message"]["content"])


def test_a_right_answer_costs_one_request(loop: asyncio.Runner) -> None:
    vendor = Vendor(says(answer(RIGHT)))
    said, _ = run(loop, vendor)
    assert (said.status, content(said), vendor.asked) == (200, RIGHT, 1)
    assert "gapura-mended" not in said.headers and "response_format" in said.headers["gapura-losses"]
    sent = json.loads(vendor.bodies[0])
    assert sent["response_format"] == {"type": "json_object"}
    assert json.dumps(SCHEMA, separators=(",", ":")) in sent["messages"][0]["content"]


def test_a_fence_is_taken_off_without_asking(loop: asyncio.Runner) -> None:
    vendor = Vendor(says(answer(f"```json\n{RIGHT}\n```")))
    said, _ = run(loop, vendor)
    assert (content(said), vendor.asked) == (RIGHT, 1)


def test_a_wrong_answer_is_asked_for_once_more_and_paid_for_twice(loop: asyncio.Runner) -> None:
    vendor = Vendor(says(answer(WRONG)), says(answer(RIGHT)))
    said, gate = run(loop, vendor)
    assert (said.status, content(said), vendor.asked) == (200, RIGHT, 2)
    assert said.headers["gapura-mended"] == "response_format"
    assert said.json["usage"]["total_tokens"] == 28
    usage = gate.journal.ended[0].usage
    assert (usage.input, usage.output) == (20, 8)
    again = json.loads(vendor.bodies[1])
    assert WRONG in again["messages"][1]["content"] and "expected integer" in again["messages"][1]["content"]
    assert "How old?" not in vendor.bodies[1].decode()


def test_two_wrong_answers_are_an_error(loop: asyncio.Runner) -> None:
    vendor = Vendor(says(answer(WRONG)))
    said, _ = run(loop, vendor)
    assert (said.status, said.json["error"]["code"], vendor.asked) == (502, "schema_not_met", 2)
    assert "at age: expected integer" in said.json["error"]["message"]


@pytest.mark.parametrize("reason", ["length", "sensitive"])
def test_what_was_cut_is_not_looked_at(loop: asyncio.Runner, reason: str) -> None:
    vendor = Vendor(says(answer('{"age', reason)))
    said, _ = run(loop, vendor)
    assert (said.status, content(said), vendor.asked) == (200, '{"age', 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stream": True}, "in a stream nobody can check it"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}},
            "it has more than is checked here",
        ),
    ],
)
def test_what_cannot_be_checked_is_a_contract_loss(loop: asyncio.Runner, change: dict[str, Any], told: str) -> None:
    vendor = Vendor(says(answer(RIGHT)))
    said, _ = run(loop, vendor, change)
    assert (said.status, said.json["error"]["param"], vendor.asked) == (400, "response_format", 0)
    assert told in said.json["error"]["message"]


def test_a_failure_of_the_second_request_is_its_own(loop: asyncio.Runner) -> None:
    vendor = Vendor(says(answer(WRONG)), says({"error": {"code": "1302", "message": "Slow down."}}, 429))
    said, gate = run(loop, vendor)
    assert (said.status, said.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert [one.outcome for one in gate.journal.ended] == ["failed"]
