"""A chat answer as a Response: what was asked for, repeated, and the items of the output."""

import hashlib
from typing import Any

import msgspec

from gapura.terms.usage import Usage
from gapura.wire.chunks import Call, Chat, logprobs_of, whole

Item = dict[str, Any]

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

_ENCODER = msgspec.json.Encoder()


class Echo:
    """What a Response repeats of its request.  `summarises`: whether thoughts are told as a summary, which is what
    applications show, or as what they are."""

    def __init__(self, given: Item, tools: list[Item]) -> None:
        text, reasoning = given.get("text") or {}, given.get("reasoning") or {}
        self.summarises = bool(reasoning.get("summary"))
        self.logprobs = bool(given.get("top_logprobs") or given.get("include"))
        self.said: Item = {
            "background": False,
            "instructions": given.get("instructions"),
            "max_output_tokens": given.get("max_output_tokens"),
            "metadata": given.get("metadata") or {},
            "parallel_tool_calls": given.get("parallel_tool_calls", True),
            "previous_response_id": None,
            "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
            "service_tier": "default",
            "store": False,
            "temperature": given.get("temperature", 1.0),
            "text": {**text, "format": text.get("format") or {"type": "text"}},
            "tool_choice": given.get("tool_choice", "auto"),
            "tools": [_tool(tool["function"]) for tool in tools],
            "top_p": given.get("top_p", 1.0),
            "truncation": "disabled",
            "user": given.get("user"),
        }


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
    return _ENCODER.encode(response(chat, names, echo, output, usage, reason))


def response(
    chat: Chat, names: Names, echo: Echo, output: list[Item], usage: Usage | None, reason: str | None = None
) -> Item:
    """A Response; without usage it is in progress, and with a reason it is incomplete."""
    status = "in_progress" if usage is None else "incomplete" if reason else "completed"
    return {
        "id": names.response,
        "object": "response",
        "created_at": chat.created,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": chat.model,
        "output": output,
        "usage": None if usage is None else usage_said(usage),
        **echo.said,
    }


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
