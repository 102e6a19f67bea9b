"""OpenAI: POST /chat/completions, GET /models, as its OpenAPI document (2.3.0) and captured answers show them."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar
from zlib import crc32

from gapura.sandbox import faults, responses
from gapura.sandbox.limits import check_choice, check_says_json, intervals
from gapura.sandbox.moderation import moderation
from gapura.sandbox.script import Choice, Manner, Turn, compose, recite
from gapura.sandbox.shape import DONE, Call, Chat, Headers, Reply, Wrong, event, streamed, whole
from gapura.sandbox.vectors import Limits
from gapura.sandbox.vendor import CREATED, Row, Vendor, bearer

_REASONING = re.compile(r"o\d|gpt-[5-9]")
_NO_STOP = re.compile(r"o3|o4-mini")

MODELS = {
    "gpt-6-sol": None,
    "gpt-5.4": None,
    "gpt-5.4-mini": None,
    "gpt-5": "2026-12-11",
    "gpt-4.1": "2027-01-14",
    "gpt-4.1-mini": "2027-01-14",
    "gpt-4o": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
    "o3": "2026-12-11",
}


class OpenAI(Vendor):
    name, label, prefix = "openai", "OpenAI", "/openai/v1"
    roles = frozenset({"developer", "system", "user", "assistant", "tool", "function"})
    filter_finishes = frozenset({True, False})
    ranges = intervals(
        temperature="[0, 2]",
        top_p="[0, 1]",
        n="[1, 128]",
        presence_penalty="[-2, 2]",
        frequency_penalty="[-2, 2]",
        top_logprobs="[0, 20]",
        max_tokens="[1, inf]",
        max_completion_tokens="[1, inf]",
    )
    errors: ClassVar = {
        "malformed": Row(400, None, "We could not parse the JSON body of your request."),
        "invalid": Row(400, None, "A parameter is out of range."),
        "messages": Row(400, None, "The messages are invalid."),
        "no-model": Row(400, None, "you must provide a model parameter"),
        "unsupported": Row(400, "unsupported_parameter", "A parameter is not supported with this model."),
        "no-key": Row(401, None, "You didn't provide an API key."),
        "401": Row(401, "invalid_api_key", "Incorrect API key provided."),
        "404": Row(404, "model_not_found", "The model does not exist or you do not have access to it."),
        "path": Row(404, None, "Invalid URL"),
        "method": Row(405, None, "Not allowed to use this method on this URL."),
        "429": Row(429, "rate_limit_exceeded", "Rate limit reached on requests per min (RPM).", "requests"),
        "500": Row(500, None, "The server had an error while processing your request.", "server_error"),
        "503": Row(503, "server_is_overloaded", "The server is overloaded, try again later.", "server_error"),
        "quota": Row(429, "insufficient_quota", "You exceeded your current quota.", "insufficient_quota"),
        "context-length": Row(400, "context_length_exceeded", "This model's maximum context length is 8192 tokens."),
        "region": Row(
            403,
            "unsupported_country_region_territory",
            "Country, region, or territory not supported",
            "request_forbidden",
        ),
    }

    def authorise(self, call: Call) -> None:
        bearer(call)

    embeds = Limits(
        {"text-embedding-3-small": (1536,), "text-embedding-3-large": (3072,), "text-embedding-ada-002": (1536,)},
        most=2048,
        any_size=True,
        ids=True,
        packed=True,
    )

    def other(self, call: Call) -> Reply:
        if call.path == "/moderations":
            return whole(moderation(call), *self.headers(call.digest))
        if call.path == "/responses":
            return self._respond(call)
        if call.method == "GET" and call.path == "/models":
            data = [self._model(name) for name in MODELS]
            return whole({"object": "list", "data": data}, *self.headers(call.digest))
        name = call.path.removeprefix("/models/")
        if call.method == "GET" and name in MODELS:
            return whole(self._model(name), *self.headers(call.digest))
        raise Wrong("404" if call.path.startswith("/models/") else "path", param=None)

    def _respond(self, call: Call) -> Reply:
        asked = responses.read(call)
        chat = responses.as_chat(asked)
        self.check(chat)
        fault = faults.find(chat.model)
        turn = (
            recite(chat, call.digest, fault.tokens) if fault.tokens else compose(chat, call.digest, self.manner(chat))
        )
        head = self.headers(call.digest)
        reply = (
            streamed(responses.frames(asked, turn), *head)
            if asked.stream
            else whole(responses.plain(asked, turn), *head)
        )
        return faults.bend(fault, reply)

    def check(self, chat: Chat) -> None:
        super().check(chat)
        if chat.max_tokens is not None and _REASONING.match(chat.model):
            raise Wrong(
                "unsupported",
                "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                "max_tokens",
            )
        if chat.stop and _NO_STOP.match(chat.model):
            raise Wrong("unsupported", "'stop' is not supported with this model.", "stop")
        if isinstance(chat.stop, list) and len(chat.stop) > 4:  # noqa: PLR2004 - the document's number
            raise Wrong("invalid", "'stop' takes at most 4 sequences.", "stop")
        if chat.top_logprobs is not None and not chat.logprobs:
            raise Wrong("invalid", "'top_logprobs' needs 'logprobs' to be true.", "top_logprobs")
        if chat.stream_options and not chat.stream:
            raise Wrong("invalid", "'stream_options' is only allowed when 'stream' is enabled.", "stream_options")
        if chat.tool_choice and not chat.tools:
            raise Wrong("invalid", "'tool_choice' is only allowed when 'tools' are given.", "tool_choice")
        check_choice(chat, frozenset({"none", "auto", "required"}))
        check_says_json(chat)

    def manner(self, chat: Chat) -> Manner:
        thinks = bool(_REASONING.match(chat.model)) and chat.reasoning_effort not in {"none", "minimal"}
        cap = chat.max_completion_tokens or chat.max_tokens
        return Manner(self.label, thinks=thinks, parallel=chat.parallel_tool_calls is not False, total_cap=cap)

    def plain(self, turn: Turn) -> object:
        return {
            **self._head(turn, "chat.completion"),
            "choices": [self._choice(turn, choice, at) for at, choice in enumerate(turn.choices)],
            "usage": usage(turn),
        }

    def _choice(self, turn: Turn, choice: Choice, at: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None, "annotations": []}
        if choice.calls:
            message |= {"content": None, "tool_calls": calls(choice)}
        logprobs = {"content": [_logprob(turn, token) for token in choice.tokens], "refusal": None}
        return {
            "index": at,
            "message": message,
            "logprobs": logprobs if turn.chat.logprobs else None,
            "finish_reason": choice.finish,
        }

    def frames(self, turn: Turn) -> Iterator[bytes]:
        """Roles first, then the choices in turn, token by token; each chunk padded against eavesdroppers."""
        head = self._head(turn, "chat.completion.chunk")
        tail: dict[str, Any] = {"usage": None} if turn.chat.include_usage else {}
        if (turn.chat.stream_options or {}).get("include_obfuscation") is not False:
            tail["obfuscation"] = turn.digest[:8]

        def chunk(at: int, delta: object, finish: str | None = None, logprobs: object = None) -> bytes:
            choice = {"index": at, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            return event({**head, "choices": [choice], **tail})

        for at, choice in enumerate(turn.choices):
            content = None if choice.calls else ""
            yield chunk(at, {"role": "assistant", "content": content, "refusal": None})
        for at, choice in enumerate(turn.choices):
            for token in choice.tokens:
                logprobs = {"content": [_logprob(turn, token)], "refusal": None} if turn.chat.logprobs else None
                yield chunk(at, {"content": token}, None, logprobs)
            for number, call in enumerate(choice.calls):
                function = {"name": call.name, "arguments": ""}
                first = {"index": number, "id": call.id, "type": "function", "function": function}
                yield chunk(at, {"tool_calls": [first]})
                for token in call.arguments:
                    yield chunk(at, {"tool_calls": [{"index": number, "function": {"arguments": token}}]})
        for at, choice in enumerate(turn.choices):
            yield chunk(at, {}, choice.finish)
        if turn.chat.include_usage:
            yield event({**head, "choices": [], "usage": usage(turn)})
        yield DONE

    def late_error(self, turn: Turn) -> list[bytes]:
        return [event(self.error(self.errors["500"], None, turn.digest))]

    def error(self, row: Row, param: str | None, digest: str) -> object:  # noqa: ARG002 - no id in OpenAI's errors
        if row.type == "request_forbidden":  # the region's refusal as it was seen, in this order
            return {"error": {"code": row.code, "message": row.message, "param": None, "type": row.type}}
        return {"error": {"message": row.message, "type": row.type, "param": param, "code": row.code}}

    def headers(self, digest: str) -> Headers:
        return (
            (b"x-request-id", f"req_{digest}".encode()),
            (b"openai-organization", b"gapura-sandbox"),
            (b"openai-processing-ms", b"1"),
            (b"openai-version", b"2020-10-01"),
            (b"x-ratelimit-limit-requests", b"10000"),
            (b"x-ratelimit-remaining-requests", b"9999"),
            (b"x-ratelimit-reset-requests", b"6ms"),
        )

    def _head(self, turn: Turn, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{turn.digest}",
            "object": kind,
            "created": CREATED,
            "model": turn.chat.model,
            "service_tier": "default",
            "system_fingerprint": "fp_gapura0000",
        }

    def _model(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": CREATED,
            "owned_by": "gapura-sandbox",
            "shutdown_date": MODELS[name],
        }


def usage(turn: Turn) -> dict[str, Any]:
    return {
        "prompt_tokens": turn.input,
        "completion_tokens": turn.output,
        "total_tokens": turn.input + turn.output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": turn.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def calls(choice: Choice) -> list[dict[str, Any]]:
    """Whole tool calls; arguments are a JSON text."""
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": "".join(call.arguments)}}
        for call in choice.calls
    ]


def _logprob(turn: Turn, token: str) -> dict[str, Any]:
    best = -(crc32(token.encode()) % 1000) / 1000

    def entry(text: str, logprob: float) -> dict[str, Any]:
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    others = [entry(f"{token}{'?' * at}", best - at) for at in range(turn.chat.top_logprobs or 0)]
    return {**entry(token, best), "top_logprobs": others}
