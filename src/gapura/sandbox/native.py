"""Alibaba DashScope's own protocol: text generation, plain and as frames whose status is hidden in a comment.

    id:1
    event:result
    :HTTP_STATUS/200
    data:{"output":{"choices":[{"message":{"content":"…","role":"assistant"},"finish_reason":"null"}]},"usage":{…},…}

A stream is asked for by the header `X-DashScope-SSE: enable`; text is cumulative unless `incremental_output`; the
finish reason is the *string* "null" until the end; no [DONE], the answer just ends.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from gapura.sandbox.dashscope import RANGES, ROLES, check_qwen, dashscope_headers, manner
from gapura.sandbox.openai import calls
from gapura.sandbox.script import Choice, Manner, Turn
from gapura.sandbox.shape import Call, Chat, Headers, Message, Reply, Wrong, encode, mistyped, uuid
from gapura.sandbox.vendor import Row, Vendor, bearer

# Models that answer in the "message" format without being asked, and models that live on the multimodal path.
_MESSAGE_FORMAT = re.compile(r"qwen3-max|qwen3-vl|qwq|qwen3-\d")
_ELSEWHERE = re.compile(r"qwen3\.[5-9]")


class Input(msgspec.Struct):
    messages: list[Message] | None = None
    prompt: str | None = None


class Generation(msgspec.Struct):
    """What is outside `parameters` is dropped without a word, tools too: so does the real one."""

    model: str = ""
    input: Input = msgspec.field(default_factory=Input)
    parameters: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Generation).decode


class Native(Vendor):
    name, label, prefix = "qwen", "Alibaba DashScope", "/dashscope/api/v1"
    chat_path = "/services/aigc/text-generation/generation"
    events = b"text/event-stream;charset=UTF-8"
    roles, ranges = ROLES, RANGES
    errors: ClassVar = {
        "malformed": Row(400, "BadRequest.IllegalInput", "The body is not valid JSON."),
        "invalid": Row(400, "InvalidParameter", "A parameter is invalid."),
        "messages": Row(400, "InvalidParameter", "The messages are invalid."),
        "no-model": Row(400, "InvalidParameter", "'model' is missing."),
        "elsewhere": Row(400, "InvalidParameter", "url error, please check url！"),
        "no-key": Row(401, "InvalidApiKey", "No API key was provided."),
        "401": Row(401, "InvalidApiKey", "Invalid API key provided."),
        "404": Row(404, "ModelNotFound", "The model does not exist."),
        "path": Row(404, "InvalidURL", "Not found."),
        "method": Row(405, "InvalidParameter", "Method not allowed."),
        "429": Row(429, "Throttling.RateQuota", "Requests rate limit exceeded."),
        "500": Row(500, "InternalError", "An internal error has occurred."),
        "503": Row(503, "ModelUnavailable", "The model is unavailable, try again later."),
        "quota": Row(400, "Arrearage", "The account is not in good standing."),
        "context-length": Row(400, "InvalidParameter", "Range of input length should be [1, 129024]"),
        "content-filter": Row(400, "DataInspectionFailed", "The data may contain inappropriate content."),
        "region": Row(403, "Model.AccessDenied", "Access to the model is denied."),
    }

    def authorise(self, call: Call) -> None:
        bearer(call)

    def read(self, call: Call) -> Chat:
        try:
            asked = _decode(call.body)
            messages = asked.input.messages or ([Message("user", asked.input.prompt)] if asked.input.prompt else None)
            chat = msgspec.convert(asked.parameters or {}, Chat)
        except msgspec.ValidationError as error:
            raise mistyped(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Wrong("malformed", f"The body is not valid JSON: {error}") from None
        format_ = chat.result_format or ("message" if _MESSAGE_FORMAT.match(asked.model) else "text")
        return msgspec.structs.replace(
            chat, model=asked.model, messages=messages, stream=_streams(call), result_format=format_
        )

    def check(self, chat: Chat) -> None:
        super().check(chat)
        if chat.turns[-1].role not in {"user", "function", "tool"}:
            raise Wrong("messages", "The role of the last message must be in ['user', 'function', 'tool'].")
        if _ELSEWHERE.match(chat.model):
            raise Wrong("elsewhere")
        if chat.result_format not in {"text", "message"}:
            raise Wrong("invalid", "'result_format' must be 'text' or 'message'.")
        if chat.tools and chat.result_format != "message":
            raise Wrong("invalid", "Tools need result_format 'message'.")
        check_qwen(chat)

    def refuse(self, wrong: Wrong, call: Call) -> Reply:
        """A streaming request that is bad is told so in a frame, under a status that says 200: seen in production."""
        reply = super().refuse(wrong, call)
        if reply.status != 400 or not _streams(call) or not isinstance(reply.body, bytes):  # noqa: PLR2004
            return reply
        frame = _frame(1, reply.body, "error", reply.status)
        return Reply(200, ((b"content-type", self.events), *self.headers(call.digest)), [frame])

    def disguised(self, call: Call, chat: Chat) -> Reply:
        """As a frame in a stream; plainly without `output` and without a request id."""
        row = self.errors["500"]
        if chat.stream:
            frame = _frame(1, encode(self.error(row, None, call.digest)), "error", row.status)
            return Reply(200, ((b"content-type", self.events), *self.headers(call.digest)), [frame])
        return super().disguised(call, chat)._replace(body=encode({"code": row.code, "message": row.message}))

    def manner(self, chat: Chat) -> Manner:
        return manner(self.label, chat)

    def plain(self, turn: Turn) -> object:
        if turn.chat.result_format == "text":
            output: dict[str, Any] = {"finish_reason": turn.choices[0].finish, "text": turn.choices[0].text}
        else:
            output = {"choices": []}
            for choice in turn.choices:
                message: dict[str, Any] = {"role": "assistant", "content": choice.text}
                if choice.thoughts:
                    message["reasoning_content"] = choice.reasoning
                if choice.calls:
                    message["tool_calls"] = calls(choice)
                output["choices"].append({"finish_reason": choice.finish, "message": message})
        return {"output": output, "usage": _usage(turn, turn.output), "request_id": uuid(turn.digest)}

    def frames(self, turn: Turn) -> Iterator[bytes]:
        """A frame a token; the last one carries the finish reason, and all of it again where text is cumulative."""
        incremental = turn.chat.incremental_output
        spent, at, total = 0, 0, dict[str, Any]()
        for at, step in enumerate(_steps(turn.choices[0]), start=1):
            spent += 1 + bool(step.get("tool_calls") and step["tool_calls"][0]["id"])  # a call's name is a token, too
            total = step if incremental else _joined(total, step)
            yield self._result(turn, at, total, spent)
        yield self._result(turn, at + 1, {} if incremental else total, spent, turn.choices[0].finish)

    def _result(self, turn: Turn, at: int, message: dict[str, Any], spent: int, finish: str = "null") -> bytes:
        if turn.chat.result_format == "text":
            output: dict[str, Any] = {"finish_reason": finish, "text": message.get("content", "")}
        else:
            message = {"content": "", **message, "role": "assistant"}
            output = {"choices": [{"message": message, "finish_reason": finish}]}
        payload = {"output": output, "usage": _usage(turn, spent), "request_id": uuid(turn.digest)}
        return _frame(at, encode(payload), "result", 200)

    def late_error(self, turn: Turn) -> list[bytes]:
        row = self.errors["500"]
        return [_frame(4, encode(self.error(row, None, turn.digest)), "error", row.status)]

    def error(self, row: Row, param: str | None, digest: str) -> object:
        named = f"{row.message} ({param})" if param and param not in row.message else row.message
        return {"code": row.code, "message": named, "request_id": uuid(digest)}

    def headers(self, digest: str) -> Headers:
        return dashscope_headers(digest)


def _streams(call: Call) -> bool:
    return call.headers.get("x-dashscope-sse", "").lower() == "enable"


def _steps(choice: Choice) -> Iterator[dict[str, Any]]:
    """What each frame adds to the message; of a tool call, name and id come with the first fragment only."""
    yield from ({"reasoning_content": token} for token in choice.thoughts)
    yield from ({"content": token} for token in choice.tokens)
    for number, call in enumerate(choice.calls):
        for at, token in enumerate(call.arguments or [""]):
            function = {"arguments": token} if at else {"name": call.name, "arguments": token}
            fragment = {"index": number, "id": "" if at else call.id, "type": "function", "function": function}
            yield {"tool_calls": [fragment]}


def _joined(before: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    """All that has been said so far."""
    if "tool_calls" not in step:
        return {**before, **{key: before.get(key, "") + text for key, text in step.items()}}
    calls_, (fragment,) = before.get("tool_calls", []), step["tool_calls"]
    if fragment["id"]:
        return {**before, "tool_calls": [*calls_, fragment]}
    last = calls_[-1]
    arguments = last["function"]["arguments"] + fragment["function"]["arguments"]
    return {**before, "tool_calls": [*calls_[:-1], {**last, "function": {**last["function"], "arguments": arguments}}]}


def _frame(at: int, payload: bytes, name: str, status: int) -> bytes:
    return b"id:%d\nevent:%b\n:HTTP_STATUS/%d\ndata:%b\n\n" % (at, name.encode(), status, payload)


def _usage(turn: Turn, spent: int) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "total_tokens": turn.input + spent,
        "output_tokens": spent,
        "input_tokens": turn.input,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    if turn.reasoning:
        counts["output_tokens_details"] = {"reasoning_tokens": min(spent, turn.reasoning)}
    return counts
