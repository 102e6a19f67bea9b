"""A chat stream as Anthropic's: message_start, blocks one after the other, message_delta, message_stop."""

from typing import Any

import msgspec

from gapura.errors import GapuraError
from gapura.terms.usage import Usage
from gapura.wire.chunks import Call, Chat, Function, chunks
from gapura.wire.messages import errors
from gapura.wire.messages.answer import arguments, broken, envelope, stop_reason, tool_use, usage_said

Item = dict[str, Any]

_ENCODER = msgspec.json.Encoder()
_encode = _ENCODER.encode


class Stream:
    """`inputs`: what was probably sent, in tokens; the true number comes at the end.

    One block is open at a time.  Fragments of a later tool call wait until the arguments of the one before are whole.
    """

    def __init__(self, inputs: int, *, thinks: bool) -> None:
        self._inputs, self._thinks = inputs, thinks
        self._begun = self._refused = False
        self._finish: str | None = None
        self._open = ""  # the kind of the block that is open
        self._index = -1
        self._calls: dict[int, Call] = {}  # by their index in chat, with all that came of their arguments
        self._told = 0  # the calls whose blocks are open or closed

    def feed(self, events: bytes) -> bytes:
        out: list[bytes] = []
        for chunk in chunks(events):
            if not self._begun:
                self._begin(chunk, out)
            for choice in chunk.choices:
                if choice.delta is not None:
                    delta = choice.delta
                    if delta.reasoning_content and self._thinks:
                        self._say("thinking", delta.reasoning_content, out)
                    if delta.content:
                        self._say("text", delta.content, out)
                    if delta.refusal:
                        self._refused = True
                        self._say("text", delta.refusal, out)
                    for call in delta.tool_calls or ():
                        self._call(call, out)
                self._finish = choice.finish_reason or self._finish
        return b"".join(out)

    def close(self, usage: Usage) -> bytes:
        out: list[bytes] = []
        if not self._begun:
            self._begin(Chat(), out)
        self._rest(out)
        self._shut(out)
        reason = stop_reason(self._finish, called=bool(self._calls), refused=self._refused)
        delta = {"stop_reason": reason, "stop_sequence": None}
        out.append(event({"type": "message_delta", "delta": delta, "usage": usage_said(usage)}))
        out.append(event({"type": "message_stop"}))
        return b"".join(out)

    def say(self, error: GapuraError) -> bytes:
        return errors.render_event(error)

    def _begin(self, chunk: Chat, out: list[bytes]) -> None:
        self._begun = True
        usage = usage_said(Usage(self._inputs, 1))
        out.append(event({"type": "message_start", "message": envelope(chunk.id, chunk.model) | {"usage": usage}}))
        out.append(event({"type": "ping"}))

    def _say(self, kind: str, text: str, out: list[bytes]) -> None:
        if self._open != kind:
            self._rest(out)
            self._start(kind, START[kind], out)
        out.append(DELTA[kind] % self._index + _encode(text) + b"}}\n\n")

    def _call(self, given: Call, out: list[bytes]) -> None:
        known, text = self._calls.get(given.index), given.text
        if known is None:
            self._calls[given.index] = Call(given.index, given.id, Function(given.name, text))
            return self._advance(out)
        place, function = list(self._calls).index(given.index), known.function or Function()
        function.name = function.name or given.name
        function.arguments = known.text + text
        if text and place == self._told - 1:
            self._fragment(text, out)
        elif (text or given.name) and place < self._told:
            broken("a tool, after it had gone on to something else,")
        return self._advance(out)

    def _advance(self, out: list[bytes]) -> None:
        """The next call begins when the arguments of the one before are whole, and its name is there.  No arguments at
        all may be whole: that is known at the end."""
        calls = list(self._calls.values())
        while self._told < len(calls) and calls[self._told].name:
            before = calls[self._told - 1].text if self._told else "{}"
            if not before or arguments(before) is None:
                return
            self._tell(calls[self._told], out)

    def _tell(self, call: Call, out: list[bytes]) -> None:
        self._start("tool_use", tool_use(call, self._told), out)
        self._told += 1
        if call.text:
            self._fragment(call.text, out)

    def _fragment(self, text: str, out: list[bytes]) -> None:
        if self._open != "tool_use":
            broken("a tool, after it had gone on to something else,")
        out.append(DELTA["tool_use"] % self._index + _encode(text) + b"}}\n\n")

    def _rest(self, out: list[bytes]) -> None:
        """The calls that waited.  Raises UpstreamFailed where one is no JSON object, unless the limit cut it."""
        calls = list(self._calls.values())
        for call in calls[self._told :]:
            self._tell(call, out)
        for number, call in enumerate(calls):
            if arguments(call.text) is None and not (self._finish == "length" and number == len(calls) - 1):
                broken(call.name)

    def _start(self, kind: str, block: Item, out: list[bytes]) -> None:
        self._shut(out)
        self._index += 1
        self._open = kind
        out.append(event({"type": "content_block_start", "index": self._index, "content_block": block}))

    def _shut(self, out: list[bytes]) -> None:
        if self._open:
            if self._open == "thinking":
                out.append(SIGNATURE % self._index)
            out.append(event({"type": "content_block_stop", "index": self._index}))
            self._open = ""


START: dict[str, Item] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}

_HEAD = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%%d,"delta":{"type":"%b","%b":'
DELTA = {
    "text": _HEAD % (b"text_delta", b"text"),
    "thinking": _HEAD % (b"thinking_delta", b"thinking"),
    "tool_use": _HEAD % (b"input_json_delta", b"partial_json"),
}
SIGNATURE = DELTA["text"].replace(b"text_delta", b"signature_delta").replace(b'"text":', b'"signature":""}}\n\n')


def event(said: Item) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (said["type"].encode(), _encode(said))
