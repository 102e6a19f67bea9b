"""One request on its way to one vendor: what is sent, and how its answer is to be read."""

from collections.abc import Callable

import msgspec

from gapura.errors import GapuraError, UpstreamFailed
from gapura.providers import estimators
from gapura.providers.answers import usage_said
from gapura.providers.base import Operation, Provider, Reader, Translation
from gapura.providers.embeddings import Embeddings, Vectors
from gapura.providers.streams import Stream
from gapura.terms.loss import Loss
from gapura.terms.rulebook import Route, Target
from gapura.terms.usage import Usage
from gapura.wire import lists, openai, tokens
from gapura.wire.dialect import Carried, Retelling


class Outbound(msgspec.Struct, frozen=True):
    """`include_usage`: whether the caller asked for a stream's usage chunk (we always ask the vendor for it).
    `choices`: how many the answer is to have.  `carried`: the way back to the caller's dialect, where it is not the
    operation's; `finish`: its last touch on a plain answer of the operation.  `held`: the input and output tokens that
    are paid for (outputs 0: as many as the model writes); None: nobody counts."""

    provider: Provider
    operation: Operation
    target: Target
    route: Route
    sent: Translation
    losses: tuple[Loss, ...]
    stream: bool
    include_usage: bool
    choices: int = 1
    carried: Carried | None = None
    finish: Callable[[bytes], bytes] | None = None
    held: tuple[int, int] | None = None

    @property
    def path(self) -> str:
        return self.sent.path or self.operation.path

    def said(self, parts: list[bytes]) -> tuple[bytes, Usage | None]:
        """The operation's answer, from the vendor's to each of the bodies.  Raises UpstreamFailed."""
        said = [self.operation.answer(part, self.target.model) for part in parts]
        if isinstance(self.operation, Embeddings):
            for (body, _), sent in zip(said, (self.sent.body, *self.sent.more), strict=False):
                self.operation.compare(body, sent)
        return said[0] if len(said) == 1 else lists.joined(said)

    def answer(self, body: bytes, usage: Usage | None) -> tuple[bytes, Usage | None]:
        """The same as the caller gets it."""
        if self.carried is not None:
            usage = usage or Usage(self._inputs, tokens.guess(body), estimated=True)
            body = self.carried.answer(body, usage)
        elif self.finish is not None:
            if usage is None and isinstance(self.operation, Embeddings | Vectors):
                sent = (self.sent.body, *self.sent.more)
                usage = Usage(sum(estimators.inputs(self.provider.name, one) for one in sent), 0, estimated=True)
                counts = {"prompt_tokens": usage.input, "total_tokens": usage.total, "estimated": True}
                body = openai.splice(body, {"usage": counts})
            body = self.finish(body)
        elif usage is None and self.operation is self.provider:
            usage = Usage(self._inputs, tokens.guess(body), estimated=True)
            body = openai.splice(body, {"usage": usage_said(usage)})
        return body, usage

    def reader(self) -> Reader:
        reader = self.operation.reader(self.target.model, include_usage=self.include_usage, choices=self.choices)
        if isinstance(reader, Stream):
            reader.inputs = lambda: self._inputs
        if self.carried is None:
            return reader
        return Retold(reader, self.carried.retelling(tokens.guess(self.sent.body)), lambda: self._inputs)

    @property
    def _inputs(self) -> int:
        """What was probably sent, in tokens."""
        return estimators.inputs(self.provider.name, self.sent.body)


class Retold:
    """A chat stream that the caller gets in another dialect.  `inputs`: what was probably sent, in tokens; it is asked
    for where the vendor says nothing of it."""

    def __init__(self, chat: Reader, retelling: Retelling, inputs: Callable[[], int]) -> None:
        self._chat, self._retelling, self._inputs = chat, retelling, inputs
        self.usage: Usage | None = None
        self.relayed = 0
        self.begun = self.done = False
        self.failure: UpstreamFailed | None = None

    def feed(self, data: bytes) -> bytes:
        return self._told(self._chat.feed(data))

    def close(self) -> bytes:
        return self._told(self._chat.close())

    def say(self, error: GapuraError) -> bytes:
        return self._retelling.say(error)

    def _told(self, events: bytes) -> bytes:
        chat = self._chat
        said = self._retelling.feed(events) if events else b""
        self.usage, self.relayed, self.begun, self.failure = chat.usage, chat.relayed, chat.begun, chat.failure
        if chat.done and not self.done:
            self.done = True
            self.usage = chat.usage or Usage(self._inputs(), chat.relayed, estimated=True)
            said += self._retelling.close(self.usage)
        return said
