"""What the request river asks of a vendor.  A provider opens no connection: bytes in, bytes out."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from gapura.errors import UpstreamFailed
from gapura.terms.usage import Usage
from gapura.wire.openai import ChatRequest

Headers = Sequence[tuple[bytes, bytes]]

Weight = Literal["cosmetic", "behavioural", "contract"]
"""cosmetic: no application can tell from the answer · behavioural: another answer, of the same form · contract: an
answer that the application cannot use, or did not ask for."""


class Loss(msgspec.Struct, frozen=True):
    """What becomes of `field` on its way to the vendor.  `field` is what a route may name in `accepts`."""

    field: str
    why: str
    weight: Weight


class Translation(msgspec.Struct, frozen=True):
    body: bytes
    losses: tuple[Loss, ...] = ()


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


class Provider(Protocol):
    """A vendor.  `path` is appended to the endpoint's base URL."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str: ...

    def translate(self, body: bytes, chat: ChatRequest, model: str, cap: int | None) -> Translation:
        """The vendor's body for a request that passed `wire.openai.read`.

        Every field of it ends in the body or in the losses.  `cap`: output tokens at the most, whatever the caller
        asked for.  Raises BadRequest naming the field where a value is of the wrong kind.
        """

    def headers(self, key: str) -> list[tuple[bytes, bytes]]: ...

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        """The OpenAI answer.  Raises UpstreamFailed on an error inside a 200, or garbage."""

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:
        """`choices`: how many must have ended, where a stream ends without saying so."""

    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        """What a refusal or a failure of the vendor means to the caller and to the target's health."""


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    """How all four are asked: OpenAI, Qianfan v2, DashScope and BigModel take the key as a bearer token."""
    return [(b"authorization", b"Bearer " + key.encode()), (b"content-type", b"application/json")]
