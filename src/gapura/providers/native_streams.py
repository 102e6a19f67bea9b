"""Streams of typed events that go on as they came: looked into where they tell of an end, of usage, or of an error."""

import re
from abc import abstractmethod
from typing import Any

import msgspec

from gapura.errors import GapuraError, UpstreamFailed
from gapura.providers.answers import usage_of
from gapura.providers.streams import EMPTY, Fault, Stream
from gapura.wire.messages import errors
from gapura.wire.sse import Event, events
from gapura.wire.tokens import estimate

# Deltas tell of output; the events before them only that the request was taken.
DELTA = re.compile(rb'"(?:delta|text|thinking|partial_json)"\s*:\s*"([^"]*)')
NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d+)')

ENDS = {"response.completed", "response.incomplete"}
FAILED = "response.failed"


class Typed(Stream):
    """Whole events, each as it came; `last` is what was handed on last."""

    last = b""

    def _take(self, blocks: list[bytes], out: list[bytes]) -> None:
        for block in blocks:
            for event in events([block]):
                if "delta" in event.name:
                    self.begun = True
                    text = b"".join(DELTA.findall(block))
                    self.relayed += estimate(text.decode("utf-8", "replace"))
                self._look(event)
            out.append(block + b"\n\n")
            self.last = block
            if self.done:
                return

    @abstractmethod
    def _look(self, event: Event) -> None:
        """Raises UpstreamFailed where the event tells of a failure."""

    def close(self) -> bytes:
        """What came last is not handed on where the stream was cut."""
        last = self.last
        try:
            return super().close()
        except UpstreamFailed:
            self.last = last
            raise

    def _rest(self) -> bytes | None:
        return None


class ResponsesStream(Typed):
    def _look(self, event: Event) -> None:
        if event.name in ENDS or event.name == FAILED:
            self._end(event.name, self._read(event))
        elif event.name == "error":
            self._read(event)  # raises

    def _end(self, name: str, said: dict[Any, Any]) -> None:
        response = said.get("response")
        response = response if isinstance(response, dict) else {}
        if name == FAILED:
            error = response.get("error") or {"code": "server_error"}
            raise self._fault(200, (), msgspec.json.encode({"error": error}))
        if not response:
            raise UpstreamFailed(EMPTY)
        self.usage = usage_of(response.get("usage"))
        self.begun = self.done = True

    def say(self, error: GapuraError) -> bytes:
        """Numbered on from what was handed on."""
        found = NUMBER.findall(self.last)
        said = {
            "type": "error",
            "code": error.code or error.kind,
            "message": error.message,
            "param": error.param,
            "sequence_number": int(found[-1]) + 1 if found else 0,
        }
        return b"event: error\ndata: " + msgspec.json.encode(said) + b"\n\n"


class MessagesStream(Typed):
    """Usage stands in the first event and in the last but one: totals so far, and what one does not say stays.  Of a
    stream that is cut between them the first says too little."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self._counted: dict[str, Any] = {}

    def _look(self, event: Event) -> None:
        match event.name:
            case "message_start":
                message = self._read(event).get("message")
                self._count(message if isinstance(message, dict) else {})
            case "message_delta":
                self._count(self._read(event))
                self.usage = usage_of(self._counted)
            case "message_stop":
                self.begun = self.done = True
            case "error":
                self._read(event)  # raises

    def _count(self, said: dict[Any, Any]) -> None:
        usage = said.get("usage")
        if isinstance(usage, dict):
            self._counted |= {name: value for name, value in usage.items() if value is not None}

    def say(self, error: GapuraError) -> bytes:
        return errors.render_event(error)
