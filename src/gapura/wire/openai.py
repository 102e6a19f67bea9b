"""The OpenAI chat dialect: a request in, an error out.

A body is decoded only as deep as the stages need, and forwarded as it came: `splice` replaces single top-level
fields and leaves the bytes of all others alone.

    >>> splice(b'{"model":"a","temperature":0.70,"stream":true}', {"model": "b", "stream": None})
    b'{"model":"b","temperature":0.70}'
"""

import re
from math import ceil
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw

from gapura.errors import BadRequest, GapuraError, RegionBlocked
from gapura.wire import tokens
from gapura.wire.dialect import Dialect, Reply

T = TypeVar("T")

MAX_NAME = 256


class StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, kw_only=True, gc=False):
    """The fields that the request river looks at.  Limits are OpenAI's own (openai-openapi, 2.3.0)."""

    model: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    messages: Annotated[list[Raw], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether the caller asked for the extra usage chunk of a stream."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def output_limit(self) -> int | None:
        """Output tokens of one choice at the most, where the caller said so."""
        older, newer = self.max_tokens, self.max_completion_tokens
        if older is None or newer is None:
            return newer if older is None else older
        return min(older, newer)

    def bound(self, body: bytes) -> int:
        """Input tokens: never less than a vendor counts."""
        return tokens.bound(body)


_CHAT = msgspec.json.Decoder(ChatRequest)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_ENCODER = msgspec.json.Encoder()
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


def read(body: bytes) -> ChatRequest:
    """A chat request.  Raises BadRequest that names the field and what was expected."""
    return decode(_CHAT, body)


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What the decoder makes of a body.  Raises BadRequest that names the field and what was expected."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None


def fields(body: bytes) -> dict[str, Raw]:
    """The top-level fields, each as the bytes that stand there.  `body` has passed `read`."""
    return _FIELDS.decode(body)


def splice(body: bytes, changes: dict[str, Any]) -> bytes:
    """Replace or add top-level fields, or drop those whose change is None; the rest stays byte for byte."""
    spliced = fields(body)
    for name, value in changes.items():
        if value is None:
            spliced.pop(name, None)
        else:
            spliced[name] = Raw(_ENCODER.encode(value))
    return _ENCODER.encode(spliced)


def render(error: GapuraError) -> Reply:
    """How an error is said before the first byte: OpenAI's status, headers and error object."""
    headers = [(b"content-type", b"application/json")]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, ceil(error.retry_after))).encode()))
    if error.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if error.should_retry else b"false"))
    return Reply(error.status, (*headers, *error.limits), _envelope(error))


def render_event(error: GapuraError) -> bytes:
    """How an error is said after the first byte: as the stream's last event, which OpenAI's SDKs raise."""
    return b"data: " + _envelope(error) + b"\n\n"


def _envelope(error: GapuraError) -> bytes:
    said = {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}
    if error.code == RegionBlocked.code:
        # OpenAI's own refusal, byte for byte: its keys stand in another order (facts: help-centre reports, 2024–2026).
        said = {name: said[name] for name in ("code", "message", "param", "type")}
    return _ENCODER.encode({"error": said})


def _refusal(message: str) -> BadRequest:
    """msgspec's ``Expected `str`, got `int` - at `$.model```, in OpenAI's terms."""
    missing = re.match(r"Object missing required field `(\w+)`", message)
    if missing:
        return BadRequest(f"You must provide a {missing[1]} parameter.", param=missing[1])
    where = _PATH.search(message)
    if where is None:
        return BadRequest(f"The body must be a JSON object: {message}.")
    said = message[: where.start()].replace("`", "")
    return BadRequest(f"Invalid value for '{where[1]}': {said[0].lower()}{said[1:]}.", param=where[1])


CHAT = Dialect("chat", read, render, render_event)
