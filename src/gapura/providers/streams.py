"""What both readers of streams share: where events end, where a stream ends, and when an error is raised."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from gapura.errors import GapuraError, UpstreamFailed
from gapura.providers.base import Headers
from gapura.providers.faults import error_in
from gapura.providers.said import decode, true_status
from gapura.terms.usage import Usage
from gapura.wire import openai
from gapura.wire.sse import BOM, MAX_EVENT, Blocks, Event, StreamError, events

DONE = b"data: [DONE]\n\n"
EMPTY = "The provider's stream ended before it began."

# How a body begins that is no stream of events: JSON, or a page.
NO_STREAM = (b"{", b"[", b'"', b"<")

# Data, and then the head of another event that has data, too.
JOINED = re.compile(rb"((?:^|\n)data:[^\n]*)\n(?=(?:id|event):[^\n]*\n(?:[^\n]+\n)*?data:)")

Fault = Callable[[int, Headers, bytes], UpstreamFailed]


class Stream(ABC):
    """A reader without a dialect.

    `_take` puts what is to be handed on into a list, and `_rest` says what is missing at the end of a stream that
    has no `[DONE]`: None, if it was cut.  `inputs` are the tokens that were probably sent, for vendors that say none.
    """

    def __init__(self, fault: Fault) -> None:
        self.inputs: Callable[[], int] = lambda: 0
        self.usage: Usage | None = None
        self.relayed = 0
        self.begun = False
        self._fault = fault
        self._blocks = Blocks()
        self.failure: UpstreamFailed | None = None
        self.done = self._handed = False
        self._start = b""  # until it is known whether this is a stream
        self._known = self._foreign = False

    def feed(self, data: bytes) -> bytes:
        if self.failure is not None:
            raise self.failure
        if not self._known:
            data = self._start + data
            first = data.removeprefix(BOM).lstrip()[:1]
            if not first or BOM.startswith(data):
                self._start = data
                return b""
            self._known, self._foreign, self._start = True, first in NO_STREAM, b""
        return self._collect(data) if self._foreign else self._pass(data)

    def close(self) -> bytes:
        if self.failure is not None:
            raise self.failure
        if self._foreign:
            raise self._fault(200, (), self._start)
        if self.done:
            return b""
        # A last event without its blank line is whole if its data is.
        rest = self._blocks.rest
        whole = not rest or _whole(rest)
        said = self._pass(b"\n\n") if rest and whole else b""
        if self.failure is not None:
            raise self.failure
        end = b"" if self.done else self._rest()
        if end is None or not whole:
            self.failure = UpstreamFailed("The provider hung up in the middle of its answer.")
            raise self.failure
        self.done = True
        return said + end

    def say(self, error: GapuraError) -> bytes:
        return openai.render_event(error)

    def _estimated(self) -> Usage:
        """What a caller who asked for usage is told where the vendor says none; the record has the same."""
        self.usage = Usage(self.inputs(), self.relayed, estimated=True)
        return self.usage

    def _collect(self, data: bytes) -> bytes:
        """A body instead of a stream is an error, whatever its status said: raised once it is whole."""
        self._start += data
        try:
            decode(self._start)
        except ValueError:
            if len(self._start) <= MAX_EVENT:
                return b""
        self.failure = self._fault(200, (), self._start)
        raise self.failure

    def _pass(self, data: bytes) -> bytes:
        if self.done:
            return b""
        out: list[bytes] = []
        try:
            self._take(self._blocks.feed(data), out)
        except StreamError as error:
            self.failure = UpstreamFailed(f"The provider's stream is broken: {error}.")
        except UpstreamFailed as failure:
            self.failure = failure
        # Raised now if nothing was handed on yet, so that another target may be tried; else after what came before.
        if self.failure is not None and not (out and self._handed):
            raise self.failure
        self._handed = self._handed or bool(out)
        return b"".join(out)

    def _parted(self, blocks: list[bytes]) -> Iterator[Event]:
        """The events of whole blocks.  Where a vendor forgot the blank line between two, each line is one, with its own
        name and status where it has them."""
        for event in events([one for block in blocks for one in _frames(block)]):
            if "\n" not in event.data or _is_json(event.data):
                yield event
            else:
                yield from (Event(line, event.name, event.comments) for line in event.data.split("\n"))

    def _read(self, event: Event) -> dict[Any, Any]:
        """An event's JSON object.  Raises UpstreamFailed if it is none, or an error: by its name, by DashScope's
        comment, or by its shape."""
        try:
            said = decode(event.data)
        except ValueError:
            said = None
        if failed(event) or error_in(said):
            raise self._fault(true_status(event, 200), (), event.data.encode("utf-8", "replace"))
        if not isinstance(said, dict):
            raise UpstreamFailed("The provider's stream holds an event that is no JSON object.")
        return said

    @abstractmethod
    def _take(self, blocks: list[bytes], out: list[bytes]) -> None:
        """Events that came, each whole: what is to be handed on goes to `out`.  Raises UpstreamFailed."""

    @abstractmethod
    def _rest(self) -> bytes | None:
        """What is left to say at the end; None: this was no end."""


def _frames(block: bytes) -> list[bytes]:
    """A block, in two where an event begins in the middle of it."""
    return JOINED.sub(rb"\1\n\n", block).split(b"\n\n") if block.count(b"data:") > 1 else [block]


def failed(event: Event) -> bool:
    """Whether the event itself says that it is an error, by its name or by DashScope's comment."""
    return event.name == "error" or true_status(event, 200) >= HTTPStatus.BAD_REQUEST


def _whole(block: bytes) -> bool:
    for event in events([block]):
        lines = event.data.split("\n")
        if not (_is_json(event.data) or all(line.startswith("[DONE]") or _is_json(line) for line in lines)):
            return False
    return True


def _is_json(text: str) -> bool:
    try:
        decode(text)
    except ValueError:
        return False
    return True
