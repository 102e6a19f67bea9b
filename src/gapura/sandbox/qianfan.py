"""Baidu Qianfan v2 (ERNIE): OpenAI's shape with `flag` on choices, usage on the finish chunk, its own error codes."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from gapura.sandbox.limits import check_choice, intervals
from gapura.sandbox.openai import calls
from gapura.sandbox.rerank import rerank
from gapura.sandbox.script import Choice, Manner, Turn
from gapura.sandbox.shape import DONE, Call, Chat, Headers, Reply, Wrong, event, whole
from gapura.sandbox.vectors import Limits
from gapura.sandbox.vendor import CREATED, Row, Vendor, bearer

_THINKS = re.compile(r"ernie-x1|ernie-5\.0-thinking")
_MAY_THINK = re.compile(r"ernie-4\.5-turbo-vl-preview|ernie-4\.5-vl|qwen3|deepseek-v3|kimi-k2\.5|glm-")
_RATE = "rate_limit_exceeded"
_UNSAFE = "unsafe_request"

# (context, longest answer, CNY for 1,000 tokens in, out)
MODELS = {
    "ernie-5.0-thinking-latest": (131072, 65536, "0.006", "0.024"),
    "ernie-4.5-turbo-128k": (131072, 12288, "0.0008", "0.0032"),
    "ernie-4.5-turbo-vl": (131072, 16384, "0.003", "0.009"),
    "ernie-x1-turbo-32k": (32768, 28160, "0.001", "0.004"),
}


RERANKERS = frozenset({"bce-reranker-base", "qwen3-reranker-8b"})


class Qianfan(Vendor):
    name, label, prefix = "ernie", "Baidu Qianfan", "/qianfan/v2"
    roles = frozenset({"system", "user", "assistant", "tool"})
    ranges = intervals(
        temperature="(0, 1]",
        top_p="[0, 1]",
        penalty_score="[1, 2]",
        max_tokens="[1, inf]",
        max_completion_tokens="[1, inf]",
    )
    errors: ClassVar = {
        "malformed": Row(400, "malformed_json", "The body is not valid JSON."),
        "invalid": Row(400, "invalid_argument", "An argument is invalid."),
        "messages": Row(400, "invalid_messages", "The messages are invalid."),
        "no-model": Row(400, "invalid_model", "model is empty"),
        "no-key": Row(401, "invalid_iam_token", "IAM Certification failed"),
        "401": Row(401, "invalid_iam_token", "IAM Certification failed"),
        "404": Row(401, "invalid_model", "No permission to use the model"),
        "path": Row(404, None, "404 page not found"),
        "method": Row(405, "method_not_supported", "Only POST requests are accepted."),
        "429": Row(429, "rpm_rate_limit_exceeded", "Rate limit reached for requests per minute.", _RATE),
        "500": Row(500, "internal_error", "Internal error.", "internal_error"),
        "503": Row(503, "dispatch_internal_error", "The service is under high load.", "internal_error"),
        "quota": Row(403, "account_overdue", "Access denied: the account is overdue.", "access_denied"),
        "context-length": Row(400, "tokens_too_long", "The prompt has too many tokens."),
        "content-filter": Row(403, "system_unsafe", "The content is not safe.", _UNSAFE),
        "region": Row(401, "no_parameter_permission", "No permission.", "access_denied"),
    }

    def authorise(self, call: Call) -> None:
        bearer(call)

    embeds = Limits({"embedding-v1": (384,), "bge-large-zh": (1024,), "bge-large-en": (1024,)}, most=16)

    def other(self, call: Call) -> Reply:
        if call.path == "/rerank":
            found = rerank(call, RERANKERS, 64, wrapped=False)
            head = {"id": f"as-{call.digest[:10]}", "object": "reranker_list", "created": CREATED}
            return whole({**head, **found}, *self.headers(call.digest))
        if (call.method, call.path) != ("GET", "/models"):
            raise Wrong("path")
        return whole({"object": "list", "data": [_model(name) for name in MODELS]}, *self.headers(call.digest))

    def refuse(self, wrong: Wrong, call: Call) -> Reply:
        if wrong.kind == "path":
            return Reply(404, ((b"content-type", b"text/plain"), *self.headers(call.digest)), b"404 page not found\n")
        return super().refuse(wrong, call)

    def check(self, chat: Chat) -> None:
        super().check(chat)
        if chat.temperature is not None and chat.model == "ernie-5.5-flash-preview":
            raise Wrong("invalid", "temperature is not supported by this model", "temperature")
        check_choice(chat, frozenset({"none", "auto", "required"}))

    def manner(self, chat: Chat) -> Manner:
        asked = chat.enable_thinking or (chat.thinking or {}).get("type") == "enabled"
        thinks = bool(_THINKS.match(chat.model)) and chat.enable_thinking is not False
        return Manner(
            self.label,
            thinks=thinks or bool(asked and _MAY_THINK.match(chat.model)),
            parallel=chat.parallel_tool_calls is not False,
            total_cap=chat.max_completion_tokens or chat.max_tokens,
        )

    def plain(self, turn: Turn) -> object:
        return {
            **self._head(turn, "chat.completion"),
            "choices": [self._choice(choice, at) for at, choice in enumerate(turn.choices[:1])],
            "usage": _usage(turn),
        }

    def _choice(self, choice: Choice, at: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": choice.text}
        if choice.thoughts:
            message["reasoning_content"] = choice.reasoning
        if choice.calls:
            message["tool_calls"] = calls(choice)
        return {"index": at, "message": message, "finish_reason": choice.finish, "flag": 0, "ban_round": 0}

    def frames(self, turn: Turn) -> Iterator[bytes]:
        """No role, no `finish_reason` before the last chunk, and no chunk for usage alone."""
        head = self._head(turn, "chat.completion.chunk")

        def chunk(delta: object) -> bytes:
            return event({**head, "choices": [{"index": 0, "delta": delta, "flag": 0}]})

        choice = turn.choices[0]
        for token in choice.thoughts:
            yield chunk({"content": None, "reasoning_content": token})
        for token in choice.tokens:
            yield chunk({"content": token})
        for number, call in enumerate(choice.calls):
            function = {"name": call.name, "arguments": ""}
            first = {"index": number, "id": call.id, "type": "function", "function": function}
            yield chunk({"content": None, "tool_calls": [first]})
            for token in call.arguments:
                yield chunk({"tool_calls": [{"index": number, "function": {"arguments": token}}]})
        last = {"index": 0, "delta": {"content": ""}, "finish_reason": choice.finish, "flag": 0}
        tail = {"usage": _usage(turn)} if turn.chat.include_usage else {}
        yield event({**head, "choices": [last], **tail})
        yield DONE

    def late_error(self, turn: Turn) -> list[bytes]:
        return [event(self.error(self.errors["500"], None, turn.digest))]

    def error(self, row: Row, param: str | None, digest: str) -> object:
        named = f"{row.message} ({param})" if param and param not in row.message else row.message
        return {"error": {"code": row.code, "message": named, "type": row.type}, "id": f"as-{digest[:10]}"}

    def headers(self, digest: str) -> Headers:
        return (
            (b"x-baidu-request-id", digest.encode()),
            (b"x-ratelimit-limit-requests", b"10000"),
            (b"x-ratelimit-limit-tokens", b"1000000"),
            (b"x-ratelimit-remaining-requests", b"9999"),
            (b"x-ratelimit-remaining-tokens", b"999000"),
        )

    def _head(self, turn: Turn, kind: str) -> dict[str, Any]:
        return {"id": f"as-{turn.digest[:10]}", "object": kind, "created": CREATED, "model": turn.chat.model}


def _usage(turn: Turn) -> dict[str, Any]:
    counts = {
        "prompt_tokens": turn.input,
        "completion_tokens": turn.choices[0].length,
        "total_tokens": turn.input + turn.choices[0].length,
    }
    if thoughts := len(turn.choices[0].thoughts):
        return {**counts, "completion_tokens_details": {"reasoning_tokens": thoughts}}
    return counts


def _model(name: str) -> dict[str, Any]:
    context, most, price_in, price_out = MODELS[name]
    return {
        "id": name,
        "object": "model",
        "type": "chat",
        "context_length": context,
        "max_completions_tokens": most,
        "max_tokens": most,
        "pricing": {"prompt": price_in, "completion": price_out},
    }
