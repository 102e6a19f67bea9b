"""Requests: what was asked for is sent, or told as lost.

Whether a field is sent is seen from outside: two values of it must make a difference to what goes out, whatever its
form.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from gapura.providers.base import Provider, Translation
from gapura.testing.cases import Cases
from gapura.wire import openai

Request = dict[str, Any]

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}}}}

# Two values of each, neither of which says what happens anyway.
FIELDS: dict[str, tuple[Any, Any]] = {
    "temperature": (0.3, 0.7),
    "top_p": (0.4, 0.8),
    "presence_penalty": (0.5, 1.0),
    "frequency_penalty": (0.5, 1.0),
    "n": (2, 3),
    "stop": (["END"], ["STOP"]),
    "seed": (3, 4),
    "max_tokens": (40, 60),
    "max_completion_tokens": (40, 60),
    "logprobs": (True, True),
    "top_logprobs": (2, 3),
    "logit_bias": ({"5": 1}, {"6": 1}),
    "user": ("check-one", "check-two"),
    "tools": ([TOOL], [{"type": "function", "function": {**TOOL["function"], "name": "traffic"}}]),  # type: ignore[dict-item]
    "response_format": ({"type": "json_object"}, SCHEMA),
    "reasoning_effort": ("low", "high"),
    "verbosity": ("low", "high"),
    "store": (True, True),
    "metadata": ({"a": "1"}, {"a": "2"}),
    "service_tier": ("flex", "priority"),
    "prediction": ({"type": "content", "content": "a"}, {"type": "content", "content": "b"}),
    "modalities": (["text", "audio"], ["audio"]),
    "audio": ({"voice": "a", "format": "wav"}, {"voice": "b", "format": "wav"}),
    "web_search_options": ({"search_context_size": "low"}, {"search_context_size": "high"}),
    "prompt_cache_key": ("a", "b"),
    "safety_identifier": ("a", "b"),
    "functions": ([TOOL["function"]], [{"name": "traffic"}]),
    "a_field_of_tomorrow": (1, 2),
}

# A few that mean something beside tools only.
BESIDE_TOOLS: dict[str, tuple[Any, Any]] = {
    "tool_choice": ("required", {"type": "function", "function": {"name": "weather"}}),
    "parallel_tool_calls": (True, False),
}

PICTURE = "https://check.example/marked-picture.png"
MESSAGES: list[Request] = [
    {"role": "system", "content": "marked-system"},
    {"role": "user", "content": [{"type": "text", "text": "marked-part"}, {"type": "text", "text": "marked-second"}]},
    {
        "role": "assistant",
        "content": "marked-assistant",
        "tool_calls": [
            {"id": "call_marked", "type": "function", "function": {"name": "weather", "arguments": '{"city":"marked"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_marked", "content": "marked-result"},
    {"role": "user", "content": "marked-user"},
]
MARKS = ("system", "part", "second", "assistant", "result", "user")


def requests(provider: Provider, cases: Cases) -> Iterator[str]:
    hello: Request = {"model": "asked-for", "messages": [{"role": "user", "content": "Halo"}]}

    def translate(change: Request, cap: int | None = None) -> Translation:
        body = msgspec.json.encode({**hello, **change})
        return provider.translate(body, openai.read(body), cases.model, cap)

    base = translate({})
    if cases.model.encode() not in base.body + base.path.encode():
        yield "requests: the target's model is not asked for"
    for name, (one, other) in FIELDS.items():
        yield from _field(name, [translate({name: one}), translate({name: other})], base)
    tools = {"tools": [TOOL]}
    for name, (one, other) in BESIDE_TOOLS.items():
        yield from _field(name, [translate({**tools, name: one}), translate({**tools, name: other})], translate(tools))
    streamed = translate({"stream": True})
    if _sent(streamed) == _sent(base):
        yield "requests: a stream is asked for as a plain answer is"
    if _sent(translate(dict.fromkeys(FIELDS))) != _sent(base):
        yield "requests: null is not the same as absent"
    yield from _messages(translate({"messages": MESSAGES, **tools}), translate({"messages": [_picture()]}))
    yield from _caps(translate)


def _field(name: str, done: list[Translation], base: Translation) -> Iterator[str]:
    told = [any(loss.field.partition(".")[0] == name for loss in one.losses) for one in done]
    if all(told):
        return
    silent = [one for one, lost in zip(done, told, strict=True) if not lost]
    same = len(done) == len(silent) and _sent(done[0]) == _sent(done[1]) and name not in {"logprobs", "store"}
    if same or (_sent(silent[0]) == _sent(base) and name != "parallel_tool_calls"):
        yield f"requests: {name} disappears: it is neither sent nor told as lost"


def _messages(talk: Translation, picture: Translation) -> Iterator[str]:
    for mark in MARKS:
        if f"marked-{mark}".encode() not in talk.body and not _lost(talk, "messages"):
            yield f"requests: the words of a message are lost ({mark})"
    if b"call_marked" not in talk.body and not _lost(talk, "messages"):
        yield "requests: the id of a tool's call is lost"
    if PICTURE.encode() not in picture.body and not _lost(picture, "messages"):
        yield "requests: an image is lost"


def _caps(translate: Any) -> Iterator[str]:
    """A budget is not overspent, whatever the caller asked for."""
    for asked in ({}, {"max_tokens": 4000}, {"max_completion_tokens": 4000}):
        if _sent(translate(asked, 77)) == _sent(translate(asked, 99)) or _sent(translate(asked, 77)) == _sent(
            translate(asked)
        ):
            yield f"requests: a cap of the output is not kept to ({', '.join(asked) or 'no limit asked for'})"
    if _sent(translate({"max_tokens": 30}, 77)) != _sent(translate({"max_tokens": 30})):
        yield "requests: a cap makes the caller's own limit larger"


def _picture() -> Request:
    image = {"type": "image_url", "image_url": {"url": PICTURE}}
    return {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}


def _lost(done: Translation, name: str) -> bool:
    return any(loss.field.partition(".")[0] == name and loss.weight == "contract" for loss in done.losses)


def _sent(done: Translation) -> tuple[Any, str, tuple[tuple[bytes, bytes], ...]]:
    sent: Request = msgspec.json.decode(done.body)
    return {name: value for name, value in sent.items() if value is not None}, done.path, done.headers
