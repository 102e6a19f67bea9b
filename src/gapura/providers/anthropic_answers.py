"""Anthropic's answers and events, in the shape that `answers` and `normaliser` read: OpenAI's.

The blocks of thinking, which the API signs and wants back while tools are called, go along as `thinking_blocks` (the
name that other gateways have for them): whoever sends them back gets the thinking continued.
"""

from typing import Any

import msgspec

from gapura.providers.answers import text

Item = dict[str, Any]

_ENCODER = msgspec.json.Encoder()

THOUGHTS = ("thinking", "redacted_thinking")


def plain(said: Item) -> Item:
    if not isinstance(said.get("content"), list):
        return said
    blocks = [block for block in said["content"] if isinstance(block, dict)]
    message: Item = {
        "content": "".join(text(block, "text") for block in blocks if block.get("type") == "text"),
        "reasoning_content": "".join(text(block, "thinking") for block in blocks),
        "thinking_blocks": [block for block in blocks if block.get("type") in THOUGHTS],
        "tool_calls": [
            {"id": block.get("id"), "function": {"name": block.get("name"), "arguments": block.get("input")}}
            for block in blocks
            if block.get("type") == "tool_use"
        ],
    }
    choice = {"index": 0, "message": message, "finish_reason": said.get("stop_reason")}
    return {**said, "choices": [choice]}


class Events:
    """One stream's events, each as a chunk; a chunk without choices says nothing."""

    def __init__(self) -> None:
        self._usage: Item = {}
        self._block: Item = {}
        self._calls = 0
        self._written = False

    def __call__(self, said: Item) -> Item:
        match said.get("type"):
            case "message_start":
                message = said.get("message")
                message = message if isinstance(message, dict) else {}
                self._count(message)
                return {"id": message.get("id"), "model": message.get("model"), **self._chunk({})}
            case "content_block_start":
                block = said.get("content_block")
                return self._begin(block if isinstance(block, dict) else {})
            case "content_block_delta":
                delta = said.get("delta")
                return self._continue(delta if isinstance(delta, dict) else {})
            case "content_block_stop":
                return self._end()
            case "message_delta":
                self._count(said)
                delta = said.get("delta")
                reason = delta.get("stop_reason") if isinstance(delta, dict) else None
                return self._chunk({}, reason)
            case _:
                return {}

    def _begin(self, block: Item) -> Item:
        self._block, self._written = dict(block), False
        match block.get("type"):
            case "tool_use":
                self._calls += 1
                function = {"name": block.get("name"), "arguments": ""}
                return self._call({"id": block.get("id"), "function": function})
            case "text":
                return self._chunk({"content": text(block, "text")})
            case _:
                return {}

    def _continue(self, delta: Item) -> Item:
        match delta.get("type"):
            case "text_delta":
                return self._chunk({"content": text(delta, "text")})
            case "thinking_delta":
                said = text(delta, "thinking")
                self._block["thinking"] = text(self._block, "thinking") + said
                return self._chunk({"reasoning_content": said})
            case "signature_delta":
                self._block["signature"] = text(self._block, "signature") + text(delta, "signature")
            case "input_json_delta" if self._block.get("type") == "tool_use":
                part = text(delta, "partial_json")
                self._written = self._written or bool(part)
                return self._call({"function": {"arguments": part}})
        return {}

    def _end(self) -> Item:
        block, self._block = self._block, {}
        if block.get("type") in THOUGHTS:
            return self._chunk({"thinking_blocks": [block]})
        if block.get("type") == "tool_use" and not self._written:  # a tool without arguments, or with them at once
            given = block.get("input")
            return self._call({"function": {"arguments": _ENCODER.encode(given or {}).decode()}})
        return {}

    def _call(self, call: Item) -> Item:
        return self._chunk({"tool_calls": [{"index": max(self._calls - 1, 0), **call}]})

    def _chunk(self, delta: Item, reason: Any = None) -> Item:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": dict(self._usage)}

    def _count(self, said: Item) -> None:
        """Totals so far: what an event does not say stays."""
        usage = said.get("usage")
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}
