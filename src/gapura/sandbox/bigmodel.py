"""Zhipu BigModel v4 (GLM): chunks without `object`, the role on every one, numbers as error codes, few parameters."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from gapura.clock import Clock, system_clock
from gapura.sandbox.limits import intervals
from gapura.sandbox.openai import calls
from gapura.sandbox.rerank import rerank
from gapura.sandbox.script import Choice, Manner, Turn
from gapura.sandbox.shape import DONE, Call, Chat, Reply, Wrong, event, whole
from gapura.sandbox.vectors import Limits
from gapura.sandbox.vendor import CREATED, Row, Vendor

_THINKS = re.compile(r"glm-(?:4\.[5-9]|[5-9])")
_ALWAYS_THINKS = re.compile(r"glm-4\.7$|glm-4\.5v|glm-5\.3")
_WRITE_MOST = 131_072
_WRITE_LESS = {"glm-4v-flash": 1024, "glm-4-long": 4096, "glm-4.5v": 16_384, "glm-4.6v": 32_768, "glm-4.5": 98_304}
_FINISH = {"content_filter": "sensitive"}
_STAMP = "20240709080000"  # ids begin with the time of day in Beijing


class Claims(msgspec.Struct):
    """A key of the SDKs as a token of their own making; `exp` in milliseconds."""

    api_key: str
    exp: int


class BigModel(Vendor):
    name, label, prefix = "glm", "Zhipu BigModel", "/bigmodel/api/paas/v4"
    roles = frozenset({"system", "user", "assistant", "tool"})
    filter_finishes = frozenset({True})
    ranges = intervals(temperature="[0, 1]", top_p="[0.01, 1]", max_tokens="[1, 131072]")
    errors: ClassVar = {
        "malformed": Row(400, "1210", "The body is not valid JSON."),
        "invalid": Row(400, "1210", "A parameter is wrong."),
        "messages": Row(400, "1214", "The messages are invalid."),
        "no-prompt": Row(400, "1213", "No prompt was received."),
        "no-model": Row(400, "1213", "The parameter model is missing."),
        "no-key": Row(401, "1001", "The header Authorization is missing."),
        "401": Row(401, "1002", "The token in Authorization is invalid."),
        "expired": Row(401, "1003", "The token in Authorization has expired."),
        "404": Row(400, "1211", "The model does not exist."),
        "path": Row(404, "1222", "This API does not exist."),
        "method": Row(404, "1222", "This API does not exist."),
        "429": Row(429, "1302", "Too many requests at once."),
        "500": Row(500, "500", "Internal error."),
        "503": Row(503, "1305", "The API is overloaded, try again later."),
        "quota": Row(429, "1113", "The balance is used up."),
        "context-length": Row(400, "1261", "The prompt is too long."),
        "content-filter": Row(400, "1301", "The content may be unsafe or sensitive."),
        "region": Row(403, "1220", "You have no permission for this API."),
    }

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock

    embeds = Limits({"embedding-3": (2048, 1024, 512, 256), "embedding-2": (1024,)}, most=64)

    def other(self, call: Call) -> Reply:
        if call.path != "/rerank":
            raise Wrong("path")
        found = rerank(call, frozenset({"rerank"}), 128, wrapped=False)
        return whole({"created": CREATED, "id": call.digest, "request_id": call.digest, **found})

    def authorise(self, call: Call) -> None:
        """`id.secret` or a token signed with the secret, each with or without "Bearer"; no signature is checked."""
        scheme, _, rest = call.headers.get("authorization", "").partition(" ")
        key = rest.strip() if scheme.lower() == "bearer" else scheme
        if not key:
            raise Wrong("no-key")
        parts = key.split(".")
        if not all(parts) or len(parts) not in {2, 3}:
            raise Wrong("401")
        if len(parts) == 3 and self._claims(parts[1]).exp * 1000 < self._clock():  # noqa: PLR2004 - a JWT
            raise Wrong("expired")

    def _claims(self, part: str) -> Claims:
        try:
            return msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=Claims)
        except (ValueError, msgspec.DecodeError):
            raise Wrong("401") from None

    def check(self, chat: Chat) -> None:
        super().check(chat)
        asked = [message for message in chat.turns if message.role == "user"]
        if not asked:
            raise Wrong("messages", "messages must not be the system's or the assistant's alone.", "messages")
        if any(not message.content for message in asked):
            raise Wrong("no-prompt")
        if chat.max_tokens is not None and chat.max_tokens > (most := _most(chat.model)):
            raise Wrong("invalid", f"max_tokens must be in [1,{most}].", "max_tokens")
        if chat.tool_choice not in {None, "auto"} if not isinstance(chat.tool_choice, dict) else True:
            raise Wrong("invalid", "tool_choice takes only auto.", "tool_choice")
        if chat.stop is not None and (isinstance(chat.stop, str) or len(chat.stop) > 1):
            raise Wrong("invalid", "stop takes a list of at most one sequence.", "stop")
        if len(chat.tools or ()) > 128:  # noqa: PLR2004 - the document's number
            raise Wrong("invalid", "tools takes at most 128 entries.", "tools")
        if chat.format not in {"text", "json_object"}:
            raise Wrong("invalid", "response_format.type must be text or json_object.", "response_format")
        if chat.user_id is not None and not 6 <= len(chat.user_id) <= 128:  # noqa: PLR2004
            raise Wrong("invalid", "user_id must have 6 to 128 characters.", "user_id")
        if chat.model.startswith("glm-5.3") and _switch(chat) == "disabled":
            raise Wrong("invalid", "thinking cannot be disabled with this model.", "thinking")

    def manner(self, chat: Chat) -> Manner:
        wanted = _switch(chat) != "disabled" and chat.reasoning_effort not in {"none", "minimal"}
        thinks = bool(_ALWAYS_THINKS.match(chat.model) or (_THINKS.match(chat.model) and wanted))
        return Manner(self.label, thinks=thinks, total_cap=chat.max_tokens, prefix="\n" if thinks else "")

    def plain(self, turn: Turn) -> object:
        choice = turn.choices[0]
        message: dict[str, Any] = {"role": "assistant", "content": choice.text}
        if choice.thoughts:
            message["reasoning_content"] = choice.reasoning
        if choice.calls:
            message["tool_calls"] = [{**call, "index": number} for number, call in enumerate(calls(choice))]
        return {
            "choices": [{"finish_reason": _finish(choice), "index": 0, "message": message}],
            **_head(turn),
            "request_id": turn.chat.request_id or _identity(turn.digest),
            "usage": _usage(turn),
        }

    def frames(self, turn: Turn) -> Iterator[bytes]:
        """The role on every delta; no `finish_reason` before the end; a tool call whole, unless `tool_stream`."""
        head = _head(turn)

        def chunk(**delta: object) -> bytes:
            return event({**head, "choices": [{"index": 0, "delta": {"role": "assistant", **delta}}]})

        choice = turn.choices[0]
        for token in choice.thoughts:
            yield chunk(reasoning_content=token)
        for token in choice.tokens:
            yield chunk(content=token)
        for number, call in enumerate(calls(choice)):
            if not turn.chat.tool_stream:
                yield chunk(tool_calls=[{**call, "index": number}])
                continue
            function = {"name": call["function"]["name"], "arguments": ""}
            yield chunk(tool_calls=[{**call, "function": function, "index": number}])
            for token in choice.calls[number].arguments:
                yield chunk(tool_calls=[{"index": number, "function": {"arguments": token}}])
        yield from self._end(turn, _finish(choice))

    def _end(self, turn: Turn, finish: str) -> Iterator[bytes]:
        last: dict[str, Any] = {"index": 0, "finish_reason": finish, "delta": {"role": "assistant", "content": ""}}
        tail: dict[str, Any] = {"usage": _usage(turn)}
        if finish == "sensitive":
            tail["content_filter"] = [{"role": "assistant", "level": 1}]
        if turn.chat.model.startswith("glm-4.6"):  # the one captured with a chunk for usage alone
            yield event({**_head(turn), "choices": [last]})
            yield event({**_head(turn), "choices": [], **tail})
        else:
            yield event({**_head(turn), "choices": [last], **tail})
        yield DONE

    def late_error(self, turn: Turn) -> list[bytes]:
        """Zhipu fails half way by a finish reason of its own."""
        return list(self._end(turn, "network_error"))

    def error(self, row: Row, param: str | None, digest: str) -> object:  # noqa: ARG002 - GLM names no field
        named = f"{row.message} ({param})" if param and param not in row.message else row.message
        body: dict[str, Any] = {"error": {"code": row.code, "message": named}}
        if row.code == "1301":
            return {"contentFilter": [{"level": 1, "role": "user"}], **body}
        return body


def _most(model: str) -> int:
    """The most that an older model writes, by the document."""
    return next((most for start, most in _WRITE_LESS.items() if model.startswith(start)), _WRITE_MOST)


def _switch(chat: Chat) -> str | None:
    return (chat.thinking or {}).get("type")


def _finish(choice: Choice) -> str:
    return _FINISH.get(choice.finish, choice.finish)


def _identity(digest: str) -> str:
    return _STAMP + digest[:18]


def _head(turn: Turn) -> dict[str, Any]:
    return {"created": CREATED, "id": _identity(turn.digest), "model": turn.chat.model}


def _usage(turn: Turn) -> dict[str, Any]:
    spent = turn.choices[0].length
    counts: dict[str, Any] = {
        "prompt_tokens": turn.input,
        "completion_tokens": spent,
        "total_tokens": turn.input + spent,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    if thoughts := len(turn.choices[0].thoughts):
        counts["completion_tokens_details"] = {"reasoning_tokens": thoughts}
    return counts
