"""OpenAI's Responses on their way to chat and back: items, tools, choices, what a Response repeats."""

import json
from typing import Any

import pytest

from gapura.errors import BadRequest
from gapura.terms.usage import Usage
from gapura.wire import tokens
from gapura.wire.responses.request import Carried, read


def carried(**more: Any) -> tuple[Carried, dict[str, Any], dict[str, str]]:
    done = Carried(json.dumps({"model": "m", "input": "Halo"} | more).encode())
    return done, json.loads(done.body), {loss.field: loss.weight for loss in done.losses}


def message(role: str, *parts: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def call(number: int) -> dict[str, Any]:
    return {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}"}


def told(number: int) -> dict[str, Any]:
    return {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}


TEXT = {"type": "input_text", "text": "a"}
EASY = {"role": "user", "content": "a"}
IMAGE = {"type": "input_image", "image_url": "https://pictures.example/a.png", "detail": "low"}
SHOWN = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png", "detail": "low"}}

ITEMS: dict[str, tuple[list[Any], list[Any], dict[str, str]]] = {
    "easy": ([{"role": "user", "content": "a"}], [{"role": "user", "content": "a"}], {}),
    "texts": ([message("developer", TEXT, TEXT)], [{"role": "developer", "content": "aa"}], {}),
    "image": (
        [message("user", TEXT, IMAGE)],
        [{"role": "user", "content": [{"type": "text", "text": "a"}, SHOWN]}],
        {},
    ),
    "a file by its id": (
        [message("user", {"type": "input_file", "file_id": "file-1"})],
        [{"role": "user", "content": ""}],
        {"input.input_file": "contract"},
    ),
    "calls of one turn": (
        [message("assistant", {"type": "output_text", "text": "wait"}), call(1), call(2)],
        [{"role": "assistant", "content": "wait", "tool_calls": [told(1), told(2)]}],
        {},
    ),
    "what tools gave": (
        [
            call(1),
            {"type": "function_call_output", "call_id": "c1", "output": "24"},
            {"type": "function_call_output", "call_id": "c2", "output": [TEXT, IMAGE]},
        ],
        [
            {"role": "assistant", "content": None, "tool_calls": [told(1)]},
            {"role": "tool", "tool_call_id": "c1", "content": "24"},
            {"role": "tool", "tool_call_id": "c2", "content": "a"},
            {"role": "user", "content": [SHOWN]},
        ],
        {"input.function_call_output.image": "behavioural"},
    ),
    "thoughts": (
        [{"type": "reasoning", "summary": []}, EASY],
        [EASY],
        {"input.reasoning": "cosmetic"},
    ),
    "a search": (
        [{"type": "web_search_call", "id": "w"}, EASY],
        [EASY],
        {"input.web_search_call": "behavioural"},
    ),
    "a word after a call": (
        [call(1), message("assistant", {"type": "output_text", "text": "wait"})],
        [{"role": "assistant", "content": "wait", "tool_calls": [told(1)]}],
        {},
    ),
    "a reference": ([{"type": "item_reference", "id": "i"}], [], {"input.item_reference": "contract"}),
}


@pytest.mark.parametrize(("items", "found", "lost"), ITEMS.values(), ids=ITEMS)
def test_items(items: list[Any], found: list[Any], lost: dict[str, str]) -> None:
    _, body, losses = carried(input=items)
    assert (body["messages"], losses) == (found, lost)


TOOLS: list[Any] = [{"type": "function", "name": name, "parameters": {}, "strict": True} for name in ("f", "g")]


def test_tools() -> None:
    _, body, lost = carried(tools=[*TOOLS, {"type": "file_search", "vector_store_ids": ["v"]}, {"type": "custom"}])
    functions: list[Any] = [{"name": name, "parameters": {}, "strict": True} for name in ("f", "g")]
    assert [tool["function"] for tool in body["tools"]] == functions
    assert lost == {"tools.file_search": "contract", "tools.custom": "contract"}


@pytest.mark.parametrize(
    ("given", "choice", "offered", "lost"),
    [
        ("required", "required", 2, {}),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}, 2, {}),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]}, "auto", 1, {}),
        ({"type": "web_search"}, None, 2, {"tool_choice": "contract"}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "mcp", "server_label": "s"}]},
            None,
            2,
            {"tool_choice.tools.server_label": "behavioural", "tool_choice.tools": "contract"},
        ),
    ],
)
def test_the_choice_of_tools(given: Any, choice: Any, offered: int, lost: dict[str, str]) -> None:
    _, body, losses = carried(tools=TOOLS, tool_choice=given)
    assert (body.get("tool_choice"), len(body["tools"]), losses) == (choice, offered, lost)


@pytest.mark.parametrize("given", ["required", {"type": "function", "name": "f"}])
def test_a_tool_that_must_be_called_and_is_not_there(given: Any) -> None:
    _, body, losses = carried(tool_choice=given)
    assert ("tool_choice" in body, losses) == (False, {"tool_choice": "contract"})
    assert carried(tool_choice="auto")[2] == {}


def test_a_schema_an_effort_and_logprobs() -> None:
    shape = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    _, body, lost = carried(
        text={"format": shape, "verbosity": "low"}, reasoning={"effort": "low", "mode": "pro"}, top_logprobs=2
    )
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert (body["verbosity"], body["reasoning_effort"]) == ("low", "low")
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert lost == {"reasoning.mode": "behavioural"}


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([5], "input[0]"),
        ([], "input"),
        ([{"type": "reasoning", "summary": []}], "input"),
        ([{"role": "robot", "content": "a"}], "input[0].role"),
        ([{"type": ["message"]}], "input[0].type"),
        ([message("user", {"type": "input_text"})], "input[0].content[0].text"),
        ([{"type": "function_call", "name": "f"}], "input[0].arguments"),
    ],
)
def test_what_is_wrong_is_named(items: Any, param: str) -> None:
    with pytest.raises(BadRequest) as wrong:
        carried(input=items)
    assert wrong.value.param == param


def test_a_response_repeats_what_was_asked_for() -> None:
    asked = {"instructions": "Be brief.", "metadata": {"a": "b"}, "temperature": 0.5, "tools": TOOLS, "user": "u"}
    done, _, _ = carried(**asked)
    chat = {"id": "c", "created": 5, "model": "m", "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}
    said = json.loads(done.answer(json.dumps(chat).encode(), Usage(3, 2, 1, 1)))
    tools = [tool | {"description": None} for tool in TOOLS]
    assert {name: said[name] for name in asked} == asked | {"tools": tools}
    assert said["usage"]["input_tokens_details"]["cached_tokens"] == 1
    assert json.loads(done.answer(json.dumps(chat).encode(), Usage(3, 2)))["id"] == said["id"]


def test_logprobs_come_with_the_text() -> None:
    done, _, _ = carried(include=["message.output_text.logprobs"])
    entry = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    choice = {"message": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": [entry]}}
    said = json.loads(done.answer(json.dumps({"id": "c", "choices": [choice]}).encode(), Usage()))
    assert said["output"][0]["content"][0]["logprobs"] == [entry]


def test_images_are_bounded_however_many() -> None:
    body = json.dumps({"model": "m", "input": [message("user", IMAGE, IMAGE, IMAGE)]}).encode()
    assert read(body).bound(body) >= 3 * tokens.IMAGE
