"""A chat answer as a Response: the items of the output, and what was asked for, repeated."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from gapura.terms.usage import Usage
from gapura.wire.chunks import Call, Chat, logprobs_of, whole

Item = dict[str, Any]

PLAIN = {"type": "text"}

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

_encode = msgspec.json.Encoder().encode


class Repeated(msgspec.Struct, gc=False):
    """What a Response says of its request, and of fields that the request has not."""

    background: bool = False
    instructions: Any = None
    max_output_tokens: Any = None
    max_tool_calls: Any = None
    metadata: Any = {}
    parallel_tool_calls: Any = True
    previous_response_id: Any = None
    prompt_cache_key: Any = None
    reasoning: Any = Raw(b'{"effort":null,"summary":null}')
    safety_identifier: Any = None
    service_tier: str = "default"
    store: bool = False
    temperature: Any = 1.0
    text: Any = Raw(b'{"format":{"type":"text"}}')
    tool_choice: Any = "auto"
    tools: Any = ()
    top_logprobs: Any = 0
    top_p: Any = 1.0
    truncation: str = "disabled"
    user: Any = None


# All others are for us to say.
AS_GIVEN = frozenset(Repeated.__struct_fields__) - {
    "background",
    "max_tool_calls",
    "previous_response_id",
    "reasoning",
    "service_tier",
    "store",
    "text",
    "tools",
    "truncation",
}


class Echo:
    """What a Response repeats of its request.  `summarises`: whether thoughts are told as a summary, which is what
    applications show, or as what they are."""

    def __init__(self, given: Mapping[str, Any], tools: list[Item]) -> None:
        self._given, self._tools, self._said = given, tools, b""
        reasoning = given.get("reasoning") or {}
        self.summarises = bool(reasoning.get("summary") or reasoning.get("generate_summary"))
        self.logprobs = bool(given.get("top_logprobs") or given.get("include"))

    @property
    def said(self) -> bytes:
        """As JSON, without the brace before it.  It is made once: a stream says it three times."""
        if not self._said:
            given = self._given
            said = Repeated(**{name: value for name, value in given.items() if name in AS_GIVEN})
            if text := given.get("text"):
                said.text = {**text, "format": text.get("format") or PLAIN}
            if reasoning := given.get("reasoning"):
                said.reasoning = {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")}
            if self._tools:
                said.tools = [_tool(tool["function"]) for tool in self._tools]
            self._said = _encode(said)[1:]
        return self._said


class Names:
    """Ids made of the chat answer's own: read twice, they are the same."""

    def __init__(self, chat: str) -> None:
        self._digest = hashlib.blake2b(chat.encode(), digest_size=16).hexdigest()
        self.response = f"resp_{self._digest}"

    def item(self, prefix: str, number: int) -> str:
        return f"{prefix}_{self._digest}{number}"


def answer(body: bytes, usage: Usage, echo: Echo) -> bytes:
    """Raises UpstreamFailed where the chat answer is none."""
    chat, choice, message = whole(body)
    names = Names(chat.id)
    output: list[Item] = []
    reason = INCOMPLETE.get(choice.finish_reason or "")
    status = "incomplete" if reason else "completed"
    if message.reasoning_content:
        name = names.item("rs", len(output))
        output.append(reasoning_item(name, message.reasoning_content, summarised=echo.summarises))
    for kind, text in (("output_text", message.content), ("refusal", message.refusal)):
        if text or (kind == "output_text" and not (output or message.refusal or message.tool_calls)):
            logprobs = logprobs_of(choice.logprobs) if echo.logprobs and kind == "output_text" else []
            part = said_part(kind, text or "", logprobs)
            output.append(message_item(names.item("msg", len(output)), [part], status))
    for number, call in enumerate(message.tool_calls or ()):
        output.append(call_item(names.item("fc", len(output)), call, number, status))
    why = {"reason": reason} if reason else None
    return response(chat, names, echo, status=status, output=output, usage=usage_said(usage), incomplete_details=why)


def response(chat: Chat, names: Names, echo: Echo, **told: Any) -> bytes:
    """A Response: what is told of it by now, and what is not."""
    said = {
        "id": names.response,
        "object": "response",
        "created_at": chat.created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": chat.model,
        "output": (),
        "usage": None,
        **told,
    }
    return _encode(said)[:-1] + b"," + echo.said


def said_part(kind: str, text: str, logprobs: list[Item]) -> Item:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def message_item(name: str, content: list[Item], status: str) -> Item:
    return {"id": name, "type": "message", "status": status, "role": "assistant", "content": content}


def reasoning_item(name: str, text: str, *, summarised: bool) -> Item:
    item: Item = {"id": name, "type": "reasoning", "summary": []}
    if summarised:
        return item | {"summary": [{"type": "summary_text", "text": text}]}
    return item | {"content": [{"type": "reasoning_text", "text": text}]}


def call_item(name: str, call: Call, number: int, status: str) -> Item:
    return {
        "id": name,
        "type": "function_call",
        "status": status,
        "call_id": call.id or f"call_{number}",
        "name": call.name,
        "arguments": call.text,
    }


def usage_said(usage: Usage) -> Item:
    said: Item = {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
    return said | {"estimated": True} if usage.estimated else said


def _tool(function: Item) -> Item:
    return {"type": "function", "description": None, "parameters": None, "strict": None, **function}
