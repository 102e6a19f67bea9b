"""What callers speak, as values.  An endpoint is a dialect: how a request is read, and how an error is said.

A provider that has the operation of that kind gets the request as it came.  Where it has not, and the dialect is one of
conversation, the request becomes a chat request, and the chat answer becomes the dialect's again (`Carried`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from gapura.errors import GapuraError
from gapura.terms.loss import Loss
from gapura.terms.usage import Usage

Kind = Literal["chat", "completions", "responses", "messages", "embeddings", "rerank", "moderation"]


class Asked(Protocol):
    """What the river looks at of a request, whatever its dialect."""

    @property
    def model(self) -> str: ...

    @property
    def stream(self) -> bool | None: ...

    @property
    def n(self) -> int | None:
        """Choices; None for one."""

    @property
    def wants_usage(self) -> bool:
        """Whether the caller asked for the extra usage chunk of a stream."""

    @property
    def output_limit(self) -> int | None:
        """Output tokens of one choice at the most, where the caller said so; 0 where the answer is no text."""

    def bound(self, body: bytes) -> int:
        """Input tokens: never less than a vendor counts."""


class Reply(msgspec.Struct, frozen=True):
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Retelling(Protocol):
    """A chat stream on its way into the caller's dialect.  Sans-IO; fed with whole OpenAI events, usage among them."""

    def feed(self, events: bytes) -> bytes: ...

    def close(self, usage: Usage) -> bytes:
        """The chat stream has said its last word, and this is what it cost: how the dialect ends."""

    def say(self, error: GapuraError) -> bytes:
        """An error as the stream's last event."""


class Carried(Protocol):
    """A request that became a chat request: `body`, and what it lost by that.  The methods are the way back; `names`
    tell how the dialect calls the fields of chat."""

    @property
    def names(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...

    @property
    def losses(self) -> tuple[Loss, ...]: ...

    def answer(self, body: bytes, usage: Usage) -> bytes:
        """The dialect's answer, from OpenAI's chat completion."""

    def retelling(self, inputs: int) -> Retelling:
        """For a stream.  `inputs`: what was probably sent, in tokens, roughly, for who must say so at its start."""


class Dialect(NamedTuple):
    """`read` raises BadRequest that names the field.  `render` is an error before the first byte, `render_event` after
    it.  `into_chat`: None where there is no such way, or no need of one.  `finish`, given what `read` gave, is the last
    touch on a plain answer.  `headers` of the request are a part of what is asked for: they go with it where it is not
    translated."""

    kind: Kind
    read: Callable[[bytes], Asked]
    render: Callable[[GapuraError], Reply]
    render_event: Callable[[GapuraError], bytes]
    into_chat: Callable[[bytes], Carried] | None = None
    finish: Callable[[Any, bytes], bytes] | None = None
    headers: frozenset[bytes] = frozenset()
