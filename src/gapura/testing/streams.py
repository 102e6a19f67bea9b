"""Streams: however the network cuts them the same comes out, it ends once, and never silently too soon."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from gapura.errors import UpstreamFailed
from gapura.providers.base import Provider, Reader
from gapura.testing.answers import Counts, Finish, counted
from gapura.testing.cases import Cases, Said
from gapura.wire.sse import Decoder

DONE = "[DONE]"
CREATED = re.compile(rb'"created": ?\d+')


class Fragment(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct):
    index: int
    id: str | None = None
    function: Fragment | None = None


class Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[Call] = []


class Choice(msgspec.Struct):
    index: int
    delta: Delta
    finish_reason: Finish | None = None


class Chunk(msgspec.Struct):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[Choice]
    usage: Counts | None = None


class Told(msgspec.Struct):
    """What a caller makes of the events."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, list[str]] = {}
    finishes: list[str] = []
    usages: list[Counts] = []
    ends: int = 0
    after: bool = False


def streams(provider: Provider, cases: Cases) -> Iterator[str]:
    for number, case in enumerate(cases.streams):
        for finding in _stream(provider, cases.model, case):
            yield f"streams: {finding} ({number})"


def read(reader: Reader, pieces: Sequence[bytes]) -> tuple[bytes, bool]:
    """All that is handed on, at whatever second, and whether it ended well."""
    out = b""
    try:
        for piece in pieces:
            out += reader.feed(piece)
        out += reader.close()
        well = True
    except UpstreamFailed:
        well = False
    return CREATED.sub(b'"created":1', out), well


def _stream(provider: Provider, model: str, case: Said) -> Iterator[str]:
    wire = case.wire

    def reader(*, usage: bool = True) -> Reader:
        return provider.reader(model, include_usage=usage)

    whole = reader()
    out, well = read(whole, [wire])
    if not well:
        yield "a whole stream is taken for a failure"
        return
    try:
        told = _told(out)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        yield f"it is not in OpenAI's form: {error}"
        return
    yield from _compared(case, told)
    yield from counted(case, whole.usage, told.usages)
    if case.usage is not None and not told.usages:
        yield "a caller who asked for usage is not told"
    if not whole.done:
        yield "its reader does not say that it is done"
    if _told(read(reader(usage=False), [wire])[0]).usages:
        yield "a caller who did not ask for usage is told"
    yield from _cuts(case, reader, out)


def _cuts(case: Said, reader: Callable[[], Reader], out: bytes) -> Iterator[str]:
    wire = case.wire
    if read(reader(), [wire[at : at + 1] for at in range(len(wire))]) != (out, True):
        yield "byte by byte another stream comes out"
    for at in range(1, len(wire)):
        if read(reader(), [wire[:at], wire[at:]]) != (out, True):
            yield "cut in two another stream comes out"
            break
    for at in range(len(wire)):
        cut, well = read(reader(), [wire[:at]])
        if well and not _same(case, _told(cut)):
            yield "a stream that was cut short is passed off as whole"
            break


def _told(out: bytes) -> Told:
    told = Told()
    for event in Decoder().feed(out):
        told.after = told.after or told.ends > 0
        if event.data == DONE:
            told.ends += 1
            continue
        chunk = msgspec.json.decode(event.data, type=Chunk)
        if chunk.usage is not None:
            told.usages.append(chunk.usage)
        for choice in chunk.choices:
            told.text += choice.delta.content or ""
            told.reasoning += choice.delta.reasoning_content or ""
            told.finishes += [choice.finish_reason] if choice.finish_reason else []
            for call in choice.delta.tool_calls:
                known = told.calls.setdefault(call.index, ["", ""])
                function = call.function or Fragment()
                known[0] += function.name or ""
                known[1] += function.arguments or ""
    return told


def _same(case: Said, told: Told) -> bool:
    return (told.text, told.reasoning) == (case.text, case.reasoning) and _calls(told) == _wanted(case)


def _compared(case: Said, told: Told) -> Iterator[str]:
    if told.text != case.text:
        yield "its text is another"
    if told.reasoning != case.reasoning:
        yield "its reasoning is another"
    if _calls(told) != _wanted(case):
        yield "the tools that it calls are others"
    if told.finishes != [case.finish]:
        yield f"it ends with {', '.join(told.finishes) or 'no reason'}, not with {case.finish}"
    if told.ends != 1 or told.after:
        yield "it has not exactly one [DONE], as its last word"


def _calls(told: Told) -> list[tuple[str, Any]]:
    return [(name, _plain(arguments)) for _, (name, arguments) in sorted(told.calls.items())]


def _wanted(case: Said) -> list[tuple[str, Any]]:
    return [(name, _plain(arguments)) for name, arguments in case.calls]


def _plain(arguments: str) -> Any:
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments
