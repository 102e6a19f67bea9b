"""Fields inside of fields are sent or told as lost, too: of large requests, with one more of them, or one less."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from gapura.errors import BadRequest
from gapura.wire.dialect import Carried
from gapura.wire.messages import request as messages
from gapura.wire.responses import request as responses

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False}
URL = "https://pictures.example/a.png"

RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Halo"},
                {"type": "input_image", "image_url": URL, "detail": "low"},
                {"type": "input_file", "file_data": "data:text/plain;base64,aGE=", "filename": "a.txt"},
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "Ya",
                    "annotations": [{"type": "file_path", "file_id": "f", "index": 1}],
                }
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Batam"}'},
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": [{"type": "input_text", "text": "24"}, {"type": "input_image", "image_url": URL}],
        },
    ],
    "tools": [
        {"type": "function", "name": "weather", "description": "Tells", "parameters": SCHEMA, "strict": True},
        {"type": "web_search"},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "weather"}, {"type": "mcp", "server_label": "s"}],
    },
    "text": {
        "format": {"type": "json_schema", "name": "n", "description": "d", "schema": SCHEMA, "strict": True},
        "verbosity": "low",
    },
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["message.output_text.logprobs", "file_search_call.results"],
    "metadata": {"a": "b"},
}

CACHED = {"type": "ephemeral"}
MESSAGES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHED}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Halo"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGE="}},
                {"type": "image", "source": {"type": "url", "url": URL}},
                {
                    "type": "document",
                    "title": "T",
                    "context": "C",
                    "citations": {"enabled": True},
                    "source": {"type": "text", "media_type": "text/plain", "data": "d"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "Ya", "citations": [{"type": "char_location", "cited_text": "d"}]},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Batam"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "24"},
                        {"type": "image", "source": {"type": "url", "url": "https://pictures.example/b.png"}},
                    ],
                }
            ],
        },
    ],
    "tools": [
        {"name": "weather", "description": "Tells", "input_schema": SCHEMA, "strict": True},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 9000},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["."],
}

CASES: dict[str, tuple[Callable[[bytes], Carried], dict[str, Any]]] = {
    "responses": (responses.Carried, RESPONSES),
    "messages": (messages.Carried, MESSAGES),
}

# What is lost whole, by a name of its own: more of it is no more of a loss.
LOST = {"annotations", "citations", "cache_control", "reasoning", "thinking", "web_search", "web_search_20250305"}
# What is handed on as it is, whatever it is.
FREE = {"parameters", "schema", "input_schema", "input", "metadata", "arguments"}

Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Each object inside, but for those that are handed on as they are."""
    if isinstance(value, dict):
        if path:
            yield path
        for name, inner in value.items():
            if name not in FREE or isinstance(inner, list):
                yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def told(name: str, request: dict[str, Any]) -> tuple[str, set[Any]]:
    carry, _ = CASES[name]
    carried = carry(json.dumps(request).encode())
    return carried.body.decode(), {(loss.field, loss.why) for loss in carried.losses}


def lost_whole(request: dict[str, Any], path: Path) -> bool:
    if path[0] in {"reasoning", "thinking"}:
        return False
    steps = [path[:length] for length in range(1, len(path) + 1)]
    kinds = {str(found.get("type")) for step in steps if isinstance(found := at(request, step), dict)}
    return not LOST.isdisjoint({*map(str, path), *kinds})


ALL = [
    (name, path) for name, (_, request) in CASES.items() for path in places(request) if not lost_whole(request, path)
]
NAMES = [f"{name}-{'.'.join(map(str, path))}" for name, path in ALL]


@pytest.mark.parametrize(("name", "path"), ALL, ids=NAMES)
def test_what_nobody_knows_is_sent_or_told(name: str, path: Path) -> None:
    request = copy.deepcopy(CASES[name][1])
    _, lost = told(name, request)
    at(request, path)["x_new"] = "a mark"
    body, more = told(name, request)
    assert "a mark" in body or more > lost


# They say what kind of thing it is, whose place says it, too; or how the answer is told, which test_responses looks at.
KINDS = {"type", "media_type", "summary"}


@pytest.mark.parametrize(("name", "path"), ALL, ids=NAMES)
def test_what_is_left_out_was_sent_or_told(name: str, path: Path) -> None:
    whole = told(name, CASES[name][1])
    for field in at(CASES[name][1], path).keys() - KINDS:
        request = copy.deepcopy(CASES[name][1])
        del at(request, path)[field]
        with suppress(BadRequest):
            assert told(name, request) != whole, field
