"""The way of a request through a simulated vendor; each vendor fills in how it speaks.

authorise → route → read → check → compose → write, plain or as events → spoil, where the model name asks for it
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from gapura.sandbox import faults
from gapura.sandbox.faults import Fault
from gapura.sandbox.limits import Interval, check_messages, check_ranges
from gapura.sandbox.script import Manner, Turn, compose, recite
from gapura.sandbox.shape import EVENTS, JSON, Call, Chat, Headers, Reply, Wrong, encode, read, whole
from gapura.sandbox.vectors import Limits, embeddings

# Every answer is of the same second, so that the same request gets the same bytes: 9 July 2024, 00:00 UTC.
CREATED = 1_720_483_200


class Row(NamedTuple):
    """A line of a vendor's error table."""

    status: int
    code: str | None
    message: str
    type: str = "invalid_request_error"


class Vendor(ABC):
    """One simulated API.

    `prefix` is its path in the sandbox, the same as behind the real host.  `filter_finishes` says for which values
    of `stream` filtered content ends in a finish reason; for the others it is an error.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    prefix: ClassVar[str]
    chat_path: ClassVar[str] = "/chat/completions"
    events: ClassVar[bytes] = EVENTS
    errors: ClassVar[Mapping[str, Row]]
    roles: ClassVar[frozenset[str]]
    filter_finishes: ClassVar[frozenset[bool]] = frozenset()
    ranges: ClassVar[Mapping[str, Interval]]
    embeds: ClassVar[Limits | None] = None

    def answer(self, call: Call) -> Reply:
        try:
            self.authorise(call)
            if call.path == self.chat_path:
                return self.chat(call)
            if self.embeds and call.path == "/embeddings":
                return whole(embeddings(call, self.embeds), *self.headers(call.digest))
            return self.other(call)
        except Wrong as wrong:
            return self.refuse(wrong, call)

    def chat(self, call: Call) -> Reply:
        if call.method != "POST":
            raise Wrong("method")
        chat = self.read(call)
        self.check(chat)
        fault = faults.find(chat.model)
        turn = (
            recite(chat, call.digest, fault.tokens) if fault.tokens else compose(chat, call.digest, self.manner(chat))
        )
        if fault.name == "error-in-200":
            return self.disguised(call, chat)
        if fault.name == "content-filter":
            if bool(chat.stream) not in self.filter_finishes:
                raise Wrong("content-filter")
            turn = replace(turn, choices=[replace(choice, finish="content_filter") for choice in turn.choices])
        return faults.bend(fault, self.write(turn, fault))

    def write(self, turn: Turn, fault: Fault) -> Reply:
        headers = self.headers(turn.digest)
        if not turn.chat.stream:
            if fault.name == "error-in-stream":
                raise Wrong("500")
            return Reply(200, ((b"content-type", JSON), *headers), encode(self.plain(turn)))
        frames = self.frames(turn)
        if fault.name == "error-in-stream":
            frames = iter([*islice(frames, 3), *self.late_error(turn)])
        return Reply(200, ((b"content-type", self.events), *headers), frames)

    def refuse(self, wrong: Wrong, call: Call) -> Reply:
        row = self.errors[wrong.kind]
        row = row._replace(message=wrong.message or row.message)
        headers = ((b"content-type", JSON), *self.headers(call.digest))
        return Reply(row.status, headers, encode(self.error(row, wrong.param, call.digest)))

    def disguised(self, call: Call, chat: Chat) -> Reply:  # noqa: ARG002 - one vendor looks whether a stream is asked for
        """An error in an answer whose status says that all is well."""
        return self.refuse(Wrong("500"), call)._replace(status=200)

    def other(self, call: Call) -> Reply:  # noqa: ARG002 - the default has nothing there
        """Every path but the one for chats."""
        raise Wrong("path")

    def headers(self, digest: str) -> Headers:  # noqa: ARG002 - by default none is known
        """What the vendor adds to every answer."""
        return ()

    def read(self, call: Call) -> Chat:
        return read(call.body)

    def check(self, chat: Chat) -> None:
        """Raises Wrong for what the vendor refuses."""
        if not chat.model:
            raise Wrong("no-model")
        if not chat.messages:
            raise Wrong("messages", "'messages' must hold at least one message.", "messages")
        check_messages(chat, self.roles)
        check_ranges(chat, self.ranges)

    @abstractmethod
    def authorise(self, call: Call) -> None: ...

    @abstractmethod
    def manner(self, chat: Chat) -> Manner: ...

    @abstractmethod
    def plain(self, turn: Turn) -> object: ...

    @abstractmethod
    def frames(self, turn: Turn) -> Iterator[bytes]: ...

    @abstractmethod
    def late_error(self, turn: Turn) -> list[bytes]:
        """The last frames of a stream that fails half way."""

    @abstractmethod
    def error(self, row: Row, param: str | None, digest: str) -> object: ...


def bearer(call: Call) -> str:
    """The key, or Wrong("no-key"); any key is as good as another here."""
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Wrong("no-key")
    return key.strip()
