"""Anthropic: POST /messages (platform.claude.com/docs/en/api/messages, the SDK's types, 2026-11).

It holds to what the API refuses: no `max_tokens`, a conversation that does not begin with the user, an empty text,
results of tools that nobody called or that come after other words, a sampling out of its range.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from gapura.sandbox.limits import check_ranges, intervals
from gapura.sandbox.script import Choice, Manner, Turn
from gapura.sandbox.shape import Call, Chat, Function, Headers, Message, Tool, Wrong, encode, mistyped
from gapura.sandbox.vendor import Row, Vendor, bearer

# Tokens of thinking.
LEAST_BUDGET = 1024

STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class Given(msgspec.Struct):
    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None


class Asked(msgspec.Struct, kw_only=True):
    """What the API reads; unknown fields are refused there, and here."""

    model: str = ""
    messages: list[Message] = []
    max_tokens: int | None = None
    system: str | list[dict[str, Any]] = ""
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[Given] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Asked).decode
_fields = msgspec.json.Decoder(dict[str, Any]).decode


class Anthropic(Vendor):
    name, label, prefix = "anthropic", "Anthropic", "/anthropic/v1"
    chat_path = "/messages"
    roles = frozenset({"user", "assistant"})
    filter_finishes = frozenset({True, False})
    ranges = intervals(temperature="[0, 1]", top_p="[0, 1]", max_tokens="[1, inf]")
    errors: ClassVar = {
        "malformed": Row(400, None, "The request body is not valid JSON."),
        "invalid": Row(400, None, "A parameter is invalid."),
        "messages": Row(400, None, "The messages are invalid."),
        "no-model": Row(400, None, "model: Field required"),
        "no-key": Row(401, None, "x-api-key header is required", "authentication_error"),
        "401": Row(401, None, "invalid x-api-key", "authentication_error"),
        "404": Row(404, None, "model: unknown", "not_found_error"),
        "path": Row(404, None, "Not found", "not_found_error"),
        "method": Row(405, None, "Method Not Allowed"),
        "429": Row(429, None, "This request would exceed your rate limit.", "rate_limit_error"),
        "500": Row(500, None, "Internal server error", "api_error"),
        "503": Row(529, None, "Overloaded", "overloaded_error"),
        "quota": Row(400, None, "Your credit balance is too low to access the Anthropic API."),
        "context-length": Row(400, None, "prompt is too long: 200001 tokens > 200000 maximum"),
        "content-filter": Row(400, None, "Output blocked by content filtering policy"),
        "region": Row(403, None, "Request not allowed", "forbidden"),
    }

    def authorise(self, call: Call) -> None:
        if not call.headers.get("x-api-key", "").strip():
            bearer(call)  # as the SDK sends it since 1.0
        if not call.headers.get("anthropic-version"):
            raise Wrong("invalid", "anthropic-version: header is required")

    def read(self, call: Call) -> Chat:
        try:
            asked = _decode(call.body)
            strange = _fields(call.body).keys() - set(Asked.__struct_fields__)
        except msgspec.ValidationError as error:
            raise mistyped(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Wrong("malformed", f"The request body is not valid JSON: {error}") from None
        if strange:
            raise Wrong("invalid", f"{min(strange)}: Extra inputs are not permitted")
        if asked.max_tokens is None:
            raise Wrong("invalid", "max_tokens: Field required")
        _check_turns(asked.messages)
        return _chat(asked)

    def check(self, chat: Chat) -> None:
        if not chat.model:
            raise Wrong("no-model")
        check_ranges(chat, self.ranges)
        thinking, most = chat.thinking or {}, chat.max_tokens or 0
        if thinking.get("type") == "enabled" and not LEAST_BUDGET <= int(thinking.get("budget_tokens", 0)) < most:
            raise Wrong("invalid", "thinking.budget_tokens: must be at least 1024 and less than max_tokens")
        if chat.thinking and chat.temperature not in {None, 1}:
            raise Wrong("invalid", "temperature: may only be set to 1 when thinking is enabled")

    def manner(self, chat: Chat) -> Manner:
        return Manner(
            self.label,
            thinks=bool(chat.thinking),
            parallel=chat.parallel_tool_calls is not False,
            total_cap=chat.max_tokens,
        )

    def plain(self, turn: Turn) -> object:
        choice = turn.choices[0]
        return {**self._head(turn), "content": _content(choice), **_end(choice), "usage": _usage(turn, turn.output)}

    def frames(self, turn: Turn) -> Iterator[bytes]:
        choice = turn.choices[0]
        begun = {
            **self._head(turn),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(turn, 1),
        }
        yield _event("message_start", message=begun)
        yield _event("ping")
        for at, (block, deltas) in enumerate(_blocks(choice)):
            yield _event("content_block_start", index=at, content_block=block)
            yield from (_event("content_block_delta", index=at, delta=delta) for delta in deltas)
            yield _event("content_block_stop", index=at)
        yield _event("message_delta", delta=_end(choice), usage={"output_tokens": turn.output})
        yield _event("message_stop")

    def late_error(self, turn: Turn) -> list[bytes]:
        row = self.errors["503"]
        return [b"event: error\ndata: " + encode(self.error(row, None, turn.digest)) + b"\n\n"]

    def error(self, row: Row, param: str | None, digest: str) -> object:  # noqa: ARG002 - a field is named in the text
        said = {"type": "error", "error": {"type": row.type, "message": row.message}, "request_id": f"req_{digest}"}
        return {"error": said["error"]} if row.type == "forbidden" else said

    def headers(self, digest: str) -> Headers:
        return (
            (b"request-id", f"req_{digest}".encode()),
            (b"anthropic-ratelimit-requests-limit", b"50"),
            (b"anthropic-ratelimit-requests-remaining", b"49"),
        )

    def _head(self, turn: Turn) -> dict[str, Any]:
        return {"id": f"msg_{turn.digest}", "type": "message", "role": "assistant", "model": turn.chat.model}


def _check_turns(messages: list[Message]) -> None:
    if not messages or messages[0].role != "user":
        raise Wrong("messages", 'messages: first message must use the "user" role')
    called: set[str] = set()
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        if message.role not in Anthropic.roles:
            raise Wrong("messages", f"{where}.role: expected user or assistant")
        blocks = message.content if isinstance(message.content, list) else [{"type": "text", "text": message.content}]
        kinds = [block.get("type") for block in blocks]
        if any(block.get("type") == "text" and not str(block.get("text") or "").strip() for block in blocks):
            raise Wrong("messages", f"{where}: text content blocks must be non-empty")
        results = [str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"]
        if not called >= set(results):
            raise Wrong("messages", f"{where}: unexpected `tool_use_id` found in `tool_result` blocks")
        if called and set(results) != called:
            raise Wrong("messages", f"{where}: `tool_use` ids were found without `tool_result` blocks right after")
        if results and kinds[: len(results)] != ["tool_result"] * len(results):
            raise Wrong("messages", f"{where}: `tool_result` blocks must come first")
        called = {str(block.get("id")) for block in blocks if block.get("type") == "tool_use"}


def _chat(asked: Asked) -> Chat:
    """As the simulated model reads it."""
    system = asked.system if isinstance(asked.system, str) else " ".join(str(one.get("text")) for one in asked.system)
    turns = [Message("system", system)] if system else []
    turns += [turn for message in asked.messages for turn in _turns(message)]
    tools = [Tool("function", Function(one.name, one.description, one.input_schema)) for one in asked.tools or ()]
    choice = asked.tool_choice or {}
    words: dict[str, Any] = {"any": "required", "none": "none"}
    chosen = words.get(choice.get("type", ""))
    if choice.get("type") == "tool":
        chosen = {"type": "function", "function": {"name": choice.get("name")}}
    wanted = (asked.output_config or {}).get("format")
    schema = {"type": "json_schema", "json_schema": {"schema": wanted.get("schema")}} if wanted else None
    return Chat(
        model=asked.model,
        messages=turns,
        stream=asked.stream,
        temperature=asked.temperature,
        top_p=asked.top_p,
        max_tokens=asked.max_tokens,
        stop=asked.stop_sequences,
        tools=tools or None,
        tool_choice=chosen,
        parallel_tool_calls=not choice.get("disable_parallel_tool_use", False),
        thinking=asked.thinking if (asked.thinking or {}).get("type") != "disabled" else None,
        response_format=schema,
    )


def _turns(message: Message) -> Iterator[Message]:
    if not isinstance(message.content, list):
        yield message
        return
    for block in message.content:
        if block.get("type") == "tool_result":
            content = block.get("content")
            texts = content if isinstance(content, list) else [{"text": content or ""}]
            text = " ".join(str(one.get("text", "")) for one in texts)
            yield Message("tool", text, tool_call_id=str(block.get("tool_use_id")))
    if rest := [block for block in message.content if block.get("type") != "tool_result"]:
        yield Message(message.role, rest)


def _content(choice: Choice) -> list[dict[str, Any]]:
    return [{**block, **_whole(block, deltas)} for block, deltas in _blocks(choice)]


def _whole(block: dict[str, Any], deltas: list[dict[str, Any]]) -> dict[str, Any]:
    match block["type"]:
        case "tool_use":
            return {"input": msgspec.json.decode("".join(one["partial_json"] for one in deltas) or "{}")}
        case "thinking":
            return {"thinking": "".join(one.get("thinking", "") for one in deltas), "signature": SIGNATURE}
        case _:
            return {"text": "".join(one["text"] for one in deltas)}


SIGNATURE = "c2FuZGJveA=="


def _blocks(choice: Choice) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each block as it begins, and what is added to it."""
    if choice.thoughts:
        said = [{"type": "thinking_delta", "thinking": token} for token in choice.thoughts]
        signed = {"type": "signature_delta", "signature": SIGNATURE}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*said, signed]
    if choice.tokens:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": token} for token in choice.tokens]
    for call in choice.calls:
        parts = [{"type": "input_json_delta", "partial_json": token} for token in call.arguments]
        yield {"type": "tool_use", "id": call.id.replace("call", "toolu"), "name": call.name, "input": {}}, parts


def _end(choice: Choice) -> dict[str, Any]:
    return {"stop_reason": STOPS[choice.finish], "stop_sequence": None}


def _usage(turn: Turn, spent: int) -> dict[str, int]:
    return {
        "input_tokens": turn.input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": spent,
    }


def _event(kind: str, **said: Any) -> bytes:
    return f"event: {kind}\ndata: ".encode() + encode({"type": kind, **said}) + b"\n\n"
