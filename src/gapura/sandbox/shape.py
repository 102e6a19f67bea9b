"""What goes in and out of a simulated vendor: requests as they are read, replies as they are written."""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec

JSON = b"application/json"
EVENTS = b"text/event-stream; charset=utf-8"

Headers = tuple[tuple[bytes, bytes], ...]
Ending = Literal["whole", "reset", "cut", "stall"]


class Call(NamedTuple):
    """One HTTP request.  `path` is what follows the vendor's prefix, `query` what follows that; header names are lower
    case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""

    @property
    def digest(self) -> str:
        """32 hex digits of the body: the seed of every id, so that the same request gets the same answer."""
        return blake2b(self.body, digest_size=16).hexdigest()


class Reply(NamedTuple):
    """One HTTP answer: bytes go out with their length, an iterable goes out in chunks.

    `delay` is before the first byte, `pause` between two pieces, both in seconds.  `ending` says whether all of
    it is sent, nothing and the connection closed, half of it and the connection closed, or half and then silence.
    """

    status: int
    headers: Headers
    body: bytes | Iterable[bytes]
    ending: Ending = "whole"
    delay: float = 0.0
    pause: float = 0.0


class Wrong(Exception):
    """The vendor would refuse this request; `kind` is a row of its error table."""

    def __init__(self, kind: str, message: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.param = kind, message, param


class Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(msgspec.Struct):
    """Vendors have types of their own (web_search, retrieval): those carry no function."""

    type: str = "function"
    function: Function | None = None


class Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(str(part["text"]) for part in self.content if "text" in part)
        return self.content or ""

    @property
    def images(self) -> int:
        return sum("text" not in part for part in self.content) if isinstance(self.content, list) else 0


class Chat(msgspec.Struct):
    """Every parameter that one of the vendors reads; each vendor looks at its own and is blind to the rest.

    The vendors' SDKs send explicit nulls, so everything but the model may be null.
    """

    model: str = ""
    messages: list[Message] | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[Any] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    penalty_score: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    tool_stream: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    enable_thinking: bool | None = None
    thinking_budget: int | None = None
    thinking: dict[str, Any] | None = None
    user_id: str | None = None
    request_id: str | None = None
    result_format: str | None = None
    incremental_output: bool | None = None

    @property
    def turns(self) -> list[Message]:
        return self.messages or []

    @property
    def include_usage(self) -> bool:
        return bool((self.stream_options or {}).get("include_usage"))

    @property
    def format(self) -> str:
        return str((self.response_format or {}).get("type", "text"))


_decode = msgspec.json.Decoder(Chat).decode
encode = msgspec.json.Encoder().encode


def read(body: bytes) -> Chat:
    """The request, or Wrong("malformed") where it is no JSON, Wrong("invalid") where a field has the wrong type."""
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise mistyped(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Wrong("malformed", f"The body is not valid JSON: {error}") from None


def mistyped(error: msgspec.ValidationError) -> Wrong:
    place = re.search(r"`\$\.?([^`]*)`", str(error))
    return Wrong("invalid", str(error), place[1] if place else None)


def event(payload: object) -> bytes:
    """One server-sent event as OpenAI and those who follow it frame it."""
    return b"data: " + encode(payload) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def uuid(digest: str) -> str:
    """The 32 hex digits as Alibaba prints its request ids."""
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))


def whole(body: object, *headers: tuple[bytes, bytes], status: int = 200) -> Reply:
    return Reply(status, ((b"content-type", JSON), *headers), encode(body))


def streamed(frames: Iterator[bytes], *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(200, ((b"content-type", EVENTS), *headers), frames)
