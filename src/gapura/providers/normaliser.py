"""A vendor's stream as OpenAI's: one head, the role once, tool calls by index, finish reasons in OpenAI's words, and
usage in a chunk of its own for those who asked."""

from typing import Any

import msgspec

from gapura.clock import Clock
from gapura.errors import UpstreamFailed
from gapura.providers import plain_chunks
from gapura.providers.answers import (
    SEARCH,
    Head,
    Spoken,
    as_it_is,
    calls_of,
    chances,
    count,
    finish,
    flagged,
    function_of,
    listed,
    number_of,
    prose,
    signature,
    text,
    usage_of,
    usage_said,
)
from gapura.providers.streams import DONE, EMPTY, Fault, Stream, failed
from gapura.wire.tokens import estimate

Item = dict[str, Any]

_ENCODER = msgspec.json.Encoder()

# What is handed on of one answer's choices and calls; OpenAI's own limits are 128 each.  More is garbage.
MOST = 128

HOLE = "\0"


class Choice:
    """What was said so far of one choice: whether it has ended, and its tool calls by index."""

    def __init__(self) -> None:
        self.ended = self.flagged = False
        self.calls: list[str] = []  # ids, in the order of their indexes
        self.named: set[int] = set()
        self.indexes: dict[int, int] = {}  # the vendor's index → ours, of the call that has it now

    def place(self, call: Item, said: str, name: str) -> int:
        """The index of a call: by its id (some vendors number all of them 0), else by the vendor's index; where it
        leaves out both, this continues the last call."""
        stated = number_of(call.get("index"))
        if said in self.calls and said:
            index = self.calls.index(said)
        elif stated is None:
            index = len(self.calls) if said or not self.calls else len(self.calls) - 1
        elif stated in self.indexes and said and name:
            index = len(self.calls)  # another call under an index that is taken
        else:
            index = self.indexes.get(stated, len(self.calls))
        if stated is not None:
            self.indexes[stated] = index
        return index


class Normaliser(Stream):
    """`spoken` makes a chunk of what the vendor says in an event."""

    def __init__(
        self,
        model: str,
        fault: Fault,
        clock: Clock,
        *,
        include_usage: bool,
        choices: int = 1,
        spoken: Spoken = as_it_is,
    ) -> None:
        super().__init__(fault)
        self._spoken = spoken
        self._due = choices
        self._include_usage = include_usage
        self._head = Head(model, clock)
        self._choices: dict[int, Choice] = {}
        self._found: Item = {}  # by a search, before anything was said: it goes with the first word
        self._frames: dict[str, tuple[bytes, bytes, bytes]] = {}  # by the field of the delta, with a hole for it

    def _take(self, blocks: list[bytes], out: list[bytes]) -> None:
        for block in blocks:
            if not self._more_of_it(block, out):
                self._look([block], out)
            if self.done:
                return

    def _more_of_it(self, block: bytes, out: list[bytes]) -> bool:
        """Whether the first choice, which is being said, says more of its text, and nothing else happens: nearly all
        events are of that kind, and this takes a third of the time."""
        choice = self._choices.get(0)
        if (
            choice is None
            or choice.ended
            or self._spoken is not as_it_is
            or (found := plain_chunks.said(block)) is None
        ):
            return False
        name, text = found
        frame = self._frames.get(name)
        if frame is None:
            delta = {"index": 0, "delta": {name: HOLE}, "logprobs": None, "finish_reason": None}
            frame = self._frames[name] = self._chunk([delta]).partition(_ENCODER.encode(HOLE))
        self.begun = True
        self.relayed += estimate(text)
        out += (frame[0], _ENCODER.encode(text), frame[2])
        return True

    def _look(self, blocks: list[bytes], out: list[bytes]) -> None:
        for event in self._parted(blocks):
            if event.data.startswith("[DONE]"):
                self.done = True
                out.append(self._end())
                return
            if not event.data.strip() and not failed(event):
                continue  # a keep-alive
            said = self._spoken(self._read(event))
            if said and not self._head.id:
                self._head.learn(said, event.data.encode("utf-8", "replace"))
            choices = [item for item in listed(said, "choices") if isinstance(item, dict)]
            for item in (said, *choices):  # Moonshot says it in the choice
                self.usage = usage_of(item.get("usage")) or self.usage
            told = [one for item in choices if (one := self._choice(item))]
            self._found |= {name: said[name] for name in SEARCH if said.get(name)}
            if told or (self._found and self.begun):
                out.append(self._chunk(told, **self._found))
                self._found = {}

    def _rest(self) -> bytes | None:
        if len(self._choices) < self._due or not all(choice.ended for choice in self._choices.values()):
            return None
        return self._end()

    def _choice(self, given: Item) -> Item | None:
        index = count(given, "index")
        if index >= MOST:
            return None
        known = self._choices.get(index)
        choice = self._choices.setdefault(index, Choice())
        source = next((it for it in (given.get("delta"), given.get("message")) if isinstance(it, dict)), {})
        delta = self._delta(choice, source)
        choice.flagged = choice.flagged or flagged(given)
        reason = None if choice.ended else finish(given, called=bool(choice.calls), flagged=choice.flagged)
        choice.ended = choice.ended or reason is not None
        self.begun = self.begun or reason is not None or any(delta.values())
        if known is None:
            delta = {"role": "assistant", "content": None if choice.calls else ""} | delta
        if not delta and reason is None:
            return None
        return {
            "index": index,
            "delta": delta,
            "logprobs": chances(given.get("logprobs")),
            "finish_reason": reason,
        }

    def _delta(self, choice: Choice, given: Item) -> Item:
        """What is new, without what is empty."""
        delta: Item = {}
        thought = "reasoning_content" if given.get("reasoning_content") else "reasoning"  # vLLM says both for a while
        for name, field in (("content", "content"), (thought, "reasoning_content"), ("refusal", "refusal")):
            if said := prose(given, name):
                delta[field] = said
                self.relayed += estimate(said)
        if thoughts := listed(given, "thinking_blocks"):
            delta["thinking_blocks"] = thoughts
        if fragments := [one for call in calls_of(given) if (one := self._fragment(choice, call))]:
            delta["tool_calls"] = fragments
        return delta

    def _fragment(self, choice: Choice, call: Item) -> Item | None:
        name, arguments = function_of(call)
        said, calls = text(call, "id"), choice.calls
        index = choice.place(call, said, name)
        if index >= MOST:
            return None
        self.relayed += estimate(arguments)
        function: Item = {"arguments": arguments}
        if name and index not in choice.named:
            choice.named.add(index)
            function = {"name": name, "arguments": arguments}
            self.relayed += estimate(name)
        if index == len(calls):
            calls.append(said or f"call_{self._head.id}_{index}")
            return {"index": index, "id": calls[index], "type": "function", "function": function} | signature(call)
        said_more = arguments or "name" in function or signature(call)
        return {"index": index, "function": function} | signature(call) if said_more else None

    def _end(self) -> bytes:
        """What the vendor left out: a finish reason (early Qianfan v2), the usage chunk, the end."""
        if not self._choices:
            raise UpstreamFailed(EMPTY)
        unfinished: list[Item] = [
            {
                "index": index,
                "delta": {},
                "logprobs": None,
                "finish_reason": finish({"finish_reason": "stop"}, called=bool(choice.calls), flagged=choice.flagged),
            }
            for index, choice in self._choices.items()
            if not choice.ended
        ]
        end = self._chunk(unfinished) if unfinished else b""
        if self._include_usage:
            end += self._chunk([], usage=usage_said(self.usage or self._estimated()))
        return end + DONE

    def _chunk(self, choices: list[Item], **more: Any) -> bytes:
        chunk = self._head.envelope("chat.completion.chunk") | {"choices": choices}
        if self._include_usage:
            chunk["usage"] = None
        return b"data: " + _ENCODER.encode(chunk | more) + b"\n\n"
