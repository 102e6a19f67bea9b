"""Alibaba DashScope in compatible mode (Qwen): OpenAI's shape with its own ranges, errors and tool fragments."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from gapura.sandbox.limits import check_choice, check_says_json, intervals
from gapura.sandbox.openai import calls
from gapura.sandbox.rerank import rerank
from gapura.sandbox.script import Choice, Manner, Turn
from gapura.sandbox.shape import DONE, Call, Chat, Headers, Reply, Wrong, event, uuid, whole
from gapura.sandbox.vectors import Limits
from gapura.sandbox.vendor import CREATED, Row, Vendor, bearer

_THINKS = re.compile(r"qwq|qvq|qwen3\.[5-9]-(?!omni)|qwen3-[\d.]+b(?:-a\d+b)?$|.*-thinking")
_THINKS_ALWAYS = re.compile(r"qwq|qvq|.*-thinking")
_STREAMS_ONLY = re.compile(r"qwq|qvq|.*-omni|qwen3-[\d.]+b|qwen3-next")

ROLES = frozenset({"system", "user", "assistant", "tool", "function", "plugin"})
RANGES = intervals(
    temperature="[0, 2)",
    top_p="(0, 1]",
    presence_penalty="[-2, 2]",
    n="[1, 4]",
    seed="[0, 2147483647]",
    top_logprobs="[0, 5]",
    max_tokens="[1, inf]",
    max_completion_tokens="[1, inf]",
)
MODELS = ("qwen3.8-max", "qwen3.7-plus", "qwen3-max", "qwen-plus", "qwen-flash", "qwen-turbo", "qwen-max", "qwq-plus")


class DashScope(Vendor):
    name, label, prefix = "qwen", "Alibaba DashScope", "/dashscope/compatible-mode/v1"
    roles, ranges = ROLES, RANGES
    errors: ClassVar = {
        "malformed": Row(400, "invalid_parameter_error", "The body is not valid JSON."),
        "invalid": Row(400, "invalid_parameter_error", "A parameter is invalid."),
        "messages": Row(400, "invalid_parameter_error", "The messages are invalid."),
        "no-model": Row(400, "missing_parameter", "'model' is missing."),
        "no-key": Row(401, "invalid_api_key", "No API key was provided."),
        "401": Row(401, "invalid_api_key", "Incorrect API key provided."),
        "404": Row(404, "model_not_found", "The model does not exist or you do not have access to it."),
        "path": Row(404, None, "Not found."),
        "method": Row(405, None, "Method not allowed."),
        "429": Row(429, "limit_requests", "You exceeded your current request limit.", "limit_requests"),
        "500": Row(500, "internal_error", "An internal error has occurred.", "internal_error"),
        "503": Row(503, "model_unavailable", "The model is unavailable, try again later.", "model_unavailable"),
        "quota": Row(403, "insufficient_quota", "The free quota is used up.", "insufficient_quota"),
        "context-length": Row(400, "invalid_parameter_error", "Range of input length should be [1, 129024]"),
        "content-filter": Row(
            400, "data_inspection_failed", "The data may be inappropriate.", "data_inspection_failed"
        ),
        "region": Row(403, "access_denied", "Access to the model is denied.", "access_denied"),
    }

    def authorise(self, call: Call) -> None:
        bearer(call)

    embeds: ClassVar[Limits | None] = Limits(
        {
            "text-embedding-v4": (1024, 2048, 1536, 768, 512, 256, 128, 64),
            "text-embedding-v3": (1024, 768, 512, 256, 128, 64),
        },
        most=10,
    )

    def other(self, call: Call) -> Reply:
        if (call.method, call.path) != ("GET", "/models"):
            raise Wrong("path")
        data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "gapura-sandbox"} for name in MODELS]
        return whole({"object": "list", "data": data}, *self.headers(call.digest))

    def check(self, chat: Chat) -> None:
        super().check(chat)
        check_qwen(chat)

    def manner(self, chat: Chat) -> Manner:
        return manner(self.label, chat)

    def plain(self, turn: Turn) -> object:
        choices = [self._choice(choice, at) for at, choice in enumerate(turn.choices)]
        return {"choices": choices, "object": "chat.completion", "usage": _usage(turn), **_head(turn)}

    def _choice(self, choice: Choice, at: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": choice.text}
        if choice.thoughts:
            message["reasoning_content"] = choice.reasoning
        if choice.calls:
            message["tool_calls"] = [{**call, "index": number} for number, call in enumerate(calls(choice))]
        return {"message": message, "finish_reason": choice.finish, "index": at, "logprobs": None}

    def frames(self, turn: Turn) -> Iterator[bytes]:
        """`usage` is null on every chunk; later fragments of a tool call repeat an empty id."""
        head = _head(turn)

        def chunk(at: int, delta: object, finish: str | None = None) -> bytes:
            choice = {"delta": delta, "finish_reason": finish, "index": at, "logprobs": None}
            return event({"choices": [choice], "object": "chat.completion.chunk", "usage": None, **head})

        for at, choice in enumerate(turn.choices):
            start: dict[str, Any] = {"content": "", "role": "assistant"}
            if choice.thoughts:
                start = {"content": None, "reasoning_content": "", "role": "assistant"}
            yield chunk(at, start)
            for token in choice.thoughts:
                yield chunk(at, {"content": None, "reasoning_content": token})
            for token in choice.tokens:
                yield chunk(
                    at, {"content": token, "reasoning_content": None} if choice.thoughts else {"content": token}
                )
            for number, call in enumerate(choice.calls):
                first = {"id": call.id, "function": {"name": call.name, "arguments": ""}}
                yield chunk(at, {"content": None, "tool_calls": [{**first, "index": number, "type": "function"}]})
                for token in call.arguments:
                    later = {"id": "", "function": {"arguments": token}, "index": number, "type": "function"}
                    yield chunk(at, {"content": None, "tool_calls": [later]})
            yield chunk(at, {"content": ""}, choice.finish)
        if turn.chat.include_usage:
            yield event({"choices": [], "object": "chat.completion.chunk", "usage": _usage(turn), **head})
        yield DONE

    def late_error(self, turn: Turn) -> list[bytes]:
        return [event(self.error(self.errors["500"], None, turn.digest))]

    def error(self, row: Row, param: str | None, digest: str) -> object:
        error = {"message": row.message, "type": row.type, "param": param, "code": row.code}
        return {"error": error, "request_id": uuid(digest)}

    def headers(self, digest: str) -> Headers:
        return dashscope_headers(digest)


class DashScopeMore(DashScope):
    """What DashScope has beside its compatible mode, under another root: rerank."""

    name, prefix, chat_path, embeds = "qwen", "/compatible-api/v1", "", None

    def other(self, call: Call) -> Reply:
        if call.path != "/reranks":
            raise Wrong("path")
        found = rerank(call, frozenset({"qwen3-rerank"}), 500, wrapped=True)
        found["usage"].pop("prompt_tokens")
        return whole({"object": "list", "model": "qwen3-rerank", "id": uuid(call.digest), **found})


def check_qwen(chat: Chat) -> None:
    """What both modes refuse."""
    check_choice(chat, frozenset({"auto", "none"}))
    check_says_json(chat)
    if any(tool.function and tool.function.name == "search" for tool in chat.tools or ()):
        raise Wrong("invalid", "A tool must not be named 'search'.", "tools")
    if chat.format == "json_object" and thinks(chat):
        raise Wrong("invalid", "JSON mode does not combine with thinking.", "response_format")
    if isinstance(chat.tool_choice, dict) and thinks(chat):
        raise Wrong("invalid", "'tool_choice' must not name a tool in thinking mode.", "tool_choice")
    if _THINKS_ALWAYS.match(chat.model) and chat.enable_thinking is False:
        raise Wrong("invalid", "'enable_thinking' is restricted to True.", "enable_thinking")
    if (chat.n or 1) > 1 and (chat.tools or thinks(chat)):
        raise Wrong("invalid", "Range of n should be [1, 1].", "n")
    if not chat.stream and _STREAMS_ONLY.match(chat.model) and (thinks(chat) or "omni" in chat.model):
        raise Wrong("invalid", "This model only support stream mode, please enable the stream parameter.", "stream")


def thinks(chat: Chat) -> bool:
    return chat.enable_thinking if chat.enable_thinking is not None else bool(_THINKS.match(chat.model))


def manner(label: str, chat: Chat) -> Manner:
    """max_tokens bounds the answer only, max_completion_tokens the thoughts too; one call unless told otherwise."""
    return Manner(
        label,
        thinks=thinks(chat),
        parallel=bool(chat.parallel_tool_calls),
        answer_cap=chat.max_tokens,
        total_cap=chat.max_completion_tokens,
        thought_cap=chat.thinking_budget,
    )


def dashscope_headers(digest: str) -> Headers:
    """Those of the captures; a rate limit is not among them."""
    return (
        (b"x-request-id", uuid(digest).encode()),
        (b"x-dashscope-call-gateway", b"true"),
        (b"x-dashscope-finished", b"true"),
        (b"req-cost-time", b"1"),
    )


def _head(turn: Turn) -> dict[str, Any]:
    return {
        "created": CREATED,
        "system_fingerprint": None,
        "model": turn.chat.model,
        "id": f"chatcmpl-{uuid(turn.digest)}",
    }


def _usage(turn: Turn) -> dict[str, Any]:
    counts = {
        "prompt_tokens": turn.input,
        "completion_tokens": turn.output,
        "total_tokens": turn.input + turn.output,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    return {**counts, "completion_tokens_details": {"reasoning_tokens": turn.reasoning}} if turn.reasoning else counts
