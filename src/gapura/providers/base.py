"""What the request river asks of a vendor.  A provider opens no connection: bytes in, bytes out.

    provider.operation("embeddings")  →  Operation: path · translate · answer · reader    or None: it has none

An operation takes a request of its kind as callers write it (`gapura.wire.dialect`), and gives back such an answer.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from gapura.errors import GapuraError, UpstreamFailed
from gapura.terms.loss import Loss
from gapura.terms.usage import Usage
from gapura.wire.dialect import Kind

Headers = Sequence[tuple[bytes, bytes]]


class Form(Protocol):
    """Of an answer's text."""

    def read(self, said: str) -> tuple[str, str]:
        """The text in its form, and what is wrong with it ("": nothing)."""

    def again(self, said: str, problem: str) -> bytes:
        """A chat request for the same, in the right form."""


class Translation(msgspec.Struct, frozen=True):
    """What to send.  `more` are further bodies, where the vendor takes less at a time than the caller sent: they go out
    one after the other, and the answers are joined.  `path` "": the operation's; `headers` go out besides the
    provider's own.  `form`: what a plain chat answer must be and the vendor does not see to."""

    body: bytes
    losses: tuple[Loss, ...] = ()
    more: tuple[bytes, ...] = ()
    path: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    form: Form | None = None


class Reader(Protocol):
    """One stream on its way to the caller.  Sans-IO; however the bytes are cut, the same events come out.

    `usage` is set as soon as the vendor said it, `relayed` are the output tokens handed on so far (estimated), and
    `begun` says whether the first token was seen (not only a role, or a keep-alive), `done` whether the stream has
    said its last word: nothing more is to be read.  `failure` is what the next call would raise.
    """

    usage: Usage | None
    relayed: int
    begun: bool
    done: bool
    failure: UpstreamFailed | None

    def feed(self, data: bytes) -> bytes:
        """Whole OpenAI events, or nothing while incomplete.

        Raises UpstreamFailed where the vendor reports an error or speaks no language of ours; what came before the
        error is returned first, and the error raised by the next call, unless nothing was handed on yet.
        """

    def close(self) -> bytes:
        """The vendor hung up: the rest of the stream.  Raises UpstreamFailed if it was cut."""

    def say(self, error: GapuraError) -> bytes:
        """The error as this stream's last event."""


class Operation(Protocol):
    """One thing that a vendor does.  `path` is appended to the endpoint's base URL; one that begins with `//` begins at
    the host's root."""

    @property
    def path(self) -> str: ...

    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        """The vendor's body for a request that passed the dialect's `read`, which gave `asked` (of chat a
        `wire.openai.ChatRequest`).

        Every field of it ends in the body or in the losses.  `cap`: output tokens at the most, whatever the caller
        asked for.  Raises BadRequest naming the field where a value is of the wrong kind.
        """

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        """The answer in the operation's dialect.  Raises UpstreamFailed on an error inside a 200, or garbage."""

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:
        """For streams.  `choices`: how many must have ended, where a stream ends without saying so."""


class Provider(Operation, Protocol):
    """A vendor.  It is its own operation of chat; what it does not have is refused before anything is sent."""

    @property
    def name(self) -> str: ...

    def operation(self, kind: Kind) -> Operation | None: ...

    @property
    def expires(self) -> bool:
        """Whether the headers are good for a short time only, and are made anew for each request."""

    def headers(self, key: str) -> Headers:
        """What proves who we are.  `key` "": the server wants none."""

    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        """What a refusal or a failure of the vendor means to the caller and to the target's health."""


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    """How most are asked: OpenAI, Qianfan v2, DashScope and BigModel take the key as a bearer token."""
    own = [(b"authorization", b"Bearer " + key.encode())] if key else []
    return [*own, (b"content-type", b"application/json")]
