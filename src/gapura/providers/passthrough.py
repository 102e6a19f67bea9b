"""A stream that already speaks OpenAI: whole events go on as they came, and are looked into only where a few marks
say that something stands in them which the gateway must know."""

import re
from typing import Any, ClassVar

import msgspec

from gapura.errors import UpstreamFailed
from gapura.providers.answers import listed, usage_of, usage_said
from gapura.providers.said import decode
from gapura.providers.streams import DONE, EMPTY, Fault, Stream
from gapura.wire.sse import events
from gapura.wire.tokens import estimate

# A quotation mark inside a text is always escaped, so none of these can stand in an answer's text.  Plain substrings
# are looked for first: they cost a tenth of an expression.
USAGE = re.compile(rb'"usage"\s*:\s*\{')
FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
TEXTS = {
    b'"%s"' % name: re.compile(rb'"%s"\s*:\s*"([^"]*)' % name)
    for name in (b"content", b"arguments", b"reasoning_content", b"refusal")
}


OBJECT = (b"data: {", b"data:{")


def marked(joined: bytes) -> bool:
    """Whether something stands there that must be looked at: the end, an error, a named event, usage."""
    return (
        b"[DONE]" in joined
        or b'"error"' in joined
        or b"\nevent" in joined
        or joined.startswith(b"event")
        or (b'"usage"' in joined and USAGE.search(joined) is not None)
    )


def whole(blocks: list[bytes]) -> bool:
    """Whether each is one line of data that begins and ends as an object: what breaks an event breaks its end."""
    return all(block.endswith(b"}") and block.startswith(OBJECT) and b"\n" not in block for block in blocks)


def token(said: dict[Any, Any]) -> bool:
    """Whether a chunk says more than who speaks."""
    choices = [choice for choice in listed(said, "choices") if isinstance(choice, dict)]
    deltas = [delta for choice in choices if isinstance(delta := choice.get("delta"), dict)]
    return any(choice.get("finish_reason") for choice in choices) or any(
        value for delta in deltas for name, value in delta.items() if name != "role"
    )


class PassThrough(Stream):
    """The usage chunk is always there, and withheld from a caller who did not ask for it."""

    marks: ClassVar[tuple[bytes, ...]] = ()
    """Of chunks that `_heard` looks at."""

    def __init__(self, fault: Fault, *, include_usage: bool, choices: int = 1) -> None:
        super().__init__(fault)
        self._last = b""
        self._include_usage = include_usage
        self._due, self._finished = choices, 0

    def _take(self, blocks: list[bytes], out: list[bytes]) -> None:
        if not blocks:
            return
        joined = b"\n\n".join([*blocks, b""])
        if marked(joined) or not whole(blocks) or any(mark in joined for mark in self.marks):
            for block in blocks:
                self._look(block, out)
                if self.done:
                    break
        else:
            self.begun = self.begun or any(token(self._read(event)) for event in events(blocks))
            out.append(joined)
            self._last = blocks[-1]
            self._note(joined)

    def _look(self, block: bytes, out: list[bytes]) -> None:
        for event in events([block]):
            if event.data.startswith("[DONE]"):
                if not (self.begun or self._finished):
                    raise UpstreamFailed(EMPTY)
                self.done = True
                out.append(self._end())
                return
            if not event.data.strip():
                continue  # a keep-alive
            said = self._read(event)
            self.begun = self.begun or token(said)
            self.usage = usage_of(said.get("usage")) or self.usage
            if said.get("choices") == [] and said.get("usage") and not self._include_usage:
                return
            if any(mark in block for mark in self.marks) and not (block := self._heard(block, said)):
                return
            self._last = block
        out.append(block + b"\n\n")
        self._note(block)

    def _heard(self, block: bytes, said: dict[Any, Any]) -> bytes:  # noqa: ARG002 - OpenAI's own are as they should be
        """What the caller gets of a chunk with a mark; nothing to withhold it."""
        return block

    def _note(self, handed: bytes) -> None:
        self._finished += len(FINISH.findall(handed))
        text = b"".join(found for name, pattern in TEXTS.items() if name in handed for found in pattern.findall(handed))
        self.relayed += estimate(text.decode("utf-8", "replace"))

    def _rest(self) -> bytes | None:
        return self._end() if self._finished >= self._due else None

    def _end(self) -> bytes:
        """With the usage chunk that a server forgot, for a caller who asked for it."""
        if not self._include_usage or self.usage is not None or not self._last:
            return DONE
        head = self._head()
        said = {name: head.get(name) for name in ("id", "object", "created", "model")}
        said |= {"choices": [], "usage": usage_said(self._estimated())}
        return b"data: " + msgspec.json.encode(said) + b"\n\n" + DONE

    def _head(self) -> dict[Any, Any]:
        """The chunk that was handed on last."""
        return decode(next(events([self._last])).data) if self._last else {}
