"""A chat stream as that of Responses: typed events, numbered, from response.created to response.completed,
response.incomplete, or error and response.failed."""

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from gapura.errors import GapuraError, UpstreamFailed
from gapura.terms.usage import Usage
from gapura.wire.chunks import Call, Chat, Function, chunks, logprobs_of
from gapura.wire.responses.answer import (
    INCOMPLETE,
    Echo,
    Item,
    Names,
    call_item,
    message_item,
    reasoning_item,
    response,
    said_part,
    usage_said,
)

_encode = msgspec.json.Encoder().encode


class Manner(NamedTuple):
    """How one kind of text is told: `delta` and `done` are its events, `added` and `ended` those of the part that it
    stands in, `place` the number of that part, `field` what the text is called in it."""

    delta: str
    done: str
    added: str
    ended: str
    place: str
    field: str
    part: Item


PART = ("response.content_part.added", "response.content_part.done", "content_index")
SUMMARY = ("response.reasoning_summary_part.added", "response.reasoning_summary_part.done", "summary_index")

MANNERS = {
    name: Manner(f"response.{name}.delta", f"response.{name}.done", *kind, field, part)
    for name, kind, field, part in [
        ("output_text", PART, "text", said_part("output_text", "", [])),
        ("refusal", PART, "refusal", said_part("refusal", "", [])),
        ("reasoning_text", PART, "text", {"type": "reasoning_text", "text": ""}),
        ("reasoning_summary_text", SUMMARY, "text", {"type": "summary_text", "text": ""}),
    ]
}


class Speech:
    """An item of text that is being said.  `opening` is what each of its deltas begins with."""

    def __init__(self, name: str, kind: str, number: int) -> None:
        self.name, self.kind, self.number = name, kind, number
        self.pieces: list[str] = []
        self.logprobs: list[Item] = []
        manner = MANNERS[kind]
        head = f'event: {manner.delta}\ndata: {{"type":"{manner.delta}","item_id":"{name}","output_index":{number},'
        self.opening = f'{head}"{manner.place}":0,"delta":'.encode()

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Calling(NamedTuple):
    """A function call that is being said."""

    name: str
    number: int
    call: Call
    pieces: list[str]

    def whole(self) -> Call:
        return Call(self.call.index, self.call.id, Function(self.call.name, "".join(self.pieces)))


class Stream:
    def __init__(self, echo: Echo) -> None:
        self._echo, self._names = echo, Names("")
        self._head: Chat | None = None
        self._sequence = -1
        self._finish: str | None = None
        self._speech: Speech | None = None
        self._calls: dict[int, Calling] = {}  # by their index in chat
        self._nameless: dict[int, Call] = {}  # of which no more has come than their beginning
        self._output: list[Item] = []

    def feed(self, events: bytes) -> bytes:
        out: list[bytes] = []
        for chunk in chunks(events):
            if self._head is None:
                self._begin(chunk, out)
            for choice in chunk.choices:
                if (delta := choice.delta) is not None:
                    if delta.reasoning_content:
                        kind = "reasoning_summary_text" if self._echo.summarises else "reasoning_text"
                        self._say(kind, delta.reasoning_content, None, out)
                    if delta.content:
                        self._say("output_text", delta.content, choice.logprobs, out)
                    if delta.refusal:
                        self._say("refusal", delta.refusal, None, out)
                    for call in delta.tool_calls or ():
                        self._call(call, out)
                self._finish = choice.finish_reason or self._finish
        return b"".join(out)

    def close(self, usage: Usage) -> bytes:
        out: list[bytes] = []
        if self._head is None:
            self._begin(Chat(), out)
        if self._nameless:
            raise UpstreamFailed("The model called a tool without a name.")
        reason = INCOMPLETE.get(self._finish or "")
        status = "incomplete" if reason else "completed"
        if not self._output:
            self._speak("output_text", out)
        self._hush(out, status)
        for calling in self._calls.values():
            place, call = {"item_id": calling.name, "output_index": calling.number}, calling.whole()
            said = {"name": call.name, "arguments": call.text}
            out.append(self._event("response.function_call_arguments.done", **place, **said))
            self._done(calling.number, call_item(calling.name, call, calling.call.index, status), out)
        why = {"reason": reason} if reason else None
        ended = self._response(status=status, output=self._output, usage=usage_said(usage), incomplete_details=why)
        out.append(self._event(f"response.{status}", response=ended))
        return b"".join(out)

    def say(self, error: GapuraError) -> bytes:
        """As OpenAI does: an event that tells of it, and one that ends the response."""
        code = error.code or error.kind
        told = self._event("error", code=code, message=error.message, param=error.param)
        kind = "rate_limit_exceeded" if code == "rate_limit_exceeded" else "server_error"
        failed = self._response(status="failed", error={"code": kind, "message": error.message})
        return told + self._event("response.failed", response=failed)

    def _begin(self, chunk: Chat, out: list[bytes]) -> None:
        self._head, self._names = chunk, Names(chunk.id)
        begun = self._response()
        out += [self._event(kind, response=begun) for kind in ("response.created", "response.in_progress")]

    def _response(self, **told: Any) -> Raw:
        return Raw(response(self._head or Chat(), self._names, self._echo, **told))

    def _say(self, kind: str, text: str, logprobs: Any, out: list[bytes]) -> None:
        speech = self._speech
        if speech is None or speech.kind != kind:
            speech = self._speak(kind, out)
        speech.pieces.append(text)
        self._sequence += 1
        out += (speech.opening, _encode(text))
        if kind == "output_text":
            found = logprobs_of(logprobs) if self._echo.logprobs else []
            speech.logprobs += found
            out += (b',"logprobs":', _encode(found))
        out.append(b',"sequence_number":%d}\n\n' % self._sequence)

    def _speak(self, kind: str, out: list[bytes]) -> Speech:
        self._hush(out, "completed")
        number, manner = len(self._output), MANNERS[kind]
        thinks = kind.startswith("reasoning")
        speech = self._speech = Speech(self._names.item("rs" if thinks else "msg", number), kind, number)
        item = {"type": "reasoning", "summary": []} if thinks else message_item(speech.name, [], "in_progress")
        self._add(item | {"id": speech.name}, out)
        out.append(self._event(manner.added, **_place(speech), part=manner.part))
        return speech

    def _hush(self, out: list[bytes], status: str) -> None:
        """What was being said is over."""
        speech, self._speech = self._speech, None
        if speech is None:
            return
        manner, text = MANNERS[speech.kind], speech.text
        place, logprobs = _place(speech), {"logprobs": speech.logprobs} if speech.kind == "output_text" else {}
        out.append(self._event(manner.done, **place, **{manner.field: text}, **logprobs))
        out.append(self._event(manner.ended, **place, part={**manner.part, manner.field: text, **logprobs}))
        if speech.kind.startswith("reasoning"):
            item = reasoning_item(speech.name, text, summarised=self._echo.summarises)
        else:
            item = message_item(speech.name, [said_part(speech.kind, text, speech.logprobs)], status)
        self._done(speech.number, item, out)

    def _call(self, given: Call, out: list[bytes]) -> None:
        calling = self._calls.get(given.index)
        if calling is None:
            if (begun := self._nameless.pop(given.index, None)) is not None:
                given = Call(given.index, begun.id or given.id, Function(given.name, begun.text + given.text))
            if not given.name:
                self._nameless[given.index] = given
                return
            calling = self._begin_call(given, out)
        if text := given.text:
            calling.pieces.append(text)
            place: Item = {"item_id": calling.name, "output_index": calling.number}
            out.append(self._event("response.function_call_arguments.delta", **place, delta=text))

    def _begin_call(self, given: Call, out: list[bytes]) -> Calling:
        self._hush(out, "completed")
        number = len(self._output)
        calling = self._calls[given.index] = Calling(self._names.item("fc", number), number, given, [])
        blank = Call(given.index, given.id, Function(given.name, ""))
        self._add(call_item(calling.name, blank, given.index, "in_progress"), out)
        return calling

    def _add(self, item: Item, out: list[bytes]) -> None:
        out.append(self._event("response.output_item.added", output_index=len(self._output), item=item))
        self._output.append(item)

    def _done(self, number: int, item: Item, out: list[bytes]) -> None:
        self._output[number] = item
        out.append(self._event("response.output_item.done", output_index=number, item=item))

    def _event(self, kind: str, **said: Any) -> bytes:
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (
            kind.encode(),
            _encode({"type": kind, **said, "sequence_number": self._sequence}),
        )


def _place(speech: Speech) -> Item:
    return {"item_id": speech.name, "output_index": speech.number, MANNERS[speech.kind].place: 0}
