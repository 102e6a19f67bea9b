"""The answer's way back: whole, or as a stream with constant memory and back-pressure.

Until `begin` returns the caller has seen nothing, and the next target may be tried.  After it an error is the
stream's last event, and a truncated answer is never presented as a whole one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from gapura import crash
from gapura.clock import system_clock
from gapura.errors import GapuraError, UpstreamFailed
from gapura.providers.base import Provider, Reader
from gapura.providers.faults import retry_after
from gapura.providers.limits import limits
from gapura.providers.mending import MENDED, again, joined, look
from gapura.providers.outbound import Outbound
from gapura.providers.transport import Answer, Deadlines, Transport, Upstream
from gapura.terms.usage import Usage
from gapura.wire import tokens

# A plain answer is held whole, because its usage stands at its end and an error in it must not be passed on as a 200.
# The longest outputs today are 128k tokens, some 0.6 MB of text a choice; logprobs multiply that by about 20.
PLAIN_LIMIT = 64 << 20

# From here on an answer is no answer; redirects are not followed, since a key goes to its own host only.
REDIRECTS = 300

# How long the text of an error is waited for.
COMPLAINT_S = 5.0

JSON = [(b"content-type", b"application/json")]
SSE = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx in front of us would hold the stream back
]

HIDDEN = b"[hidden]"

Told = Sequence[tuple[bytes, bytes]]
"""What the answer says besides: the vendor's rate limits."""

# Our estimate of a text may be off by so much; a vendor who says less than that has not counted it.
FAR = 8

Complete = Callable[[], None]


class Way(msgspec.Struct, frozen=True):
    """Where a provider is, how it speaks, and the headers that go there, the vendor's `key` among them; `renewed` makes
    those that hold for a short time only."""

    upstream: Upstream
    headers: tuple[tuple[bytes, bytes], ...]
    provider: Provider
    key: bytes = b""
    renewed: Callable[[], tuple[tuple[bytes, bytes], ...]] | None = None

    def hide(self, said: bytes) -> bytes:
        """What the vendor said, without its key: some repeat it to whoever sent a wrong one."""
        return said.replace(self.key, HIDDEN) if self.key and self.key in said else said


class Asker(Protocol):
    """The part of `gapura.request.accept.Exchange` that a relay needs."""

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None: ...
    async def begin(
        self, status: int, headers: list[tuple[bytes, bytes]], say: Callable[[GapuraError], bytes]
    ) -> None: ...
    async def piece(self, data: bytes, *, last: bool = False) -> None: ...


class Whole:
    """A plain answer, read to its end and in the caller's dialect."""

    def __init__(self, body: bytes, usage: Usage | None, told: Told = ()) -> None:
        self._body, self.usage, self._told = body, usage, told

    def relayed(self) -> int:
        """Output tokens, by our estimate, of an answer whose vendor did not say."""
        return tokens.guess(self._body)

    def doubts(self, usage: Usage) -> bool:
        """An answer that cost nothing at all was not counted."""
        return usage.total == 0

    async def hand_on(self, asker: Asker, complete: Complete) -> None:
        complete()
        await asker.answer(200, [*JSON, *self._told], self._body)


class Stream:
    """A stream whose first token is there: `first` is what was read so far, in the caller's dialect."""

    def __init__(self, answer: Answer, reader: Reader, first: bytes, way: Way, told: Told = ()) -> None:
        self._answer, self._reader, self._first, self._way, self._told = answer, reader, first, way, told

    @property
    def usage(self) -> Usage | None:
        """What the vendor has said so far."""
        return self._reader.usage

    def relayed(self) -> int:
        """Output tokens that were handed on, by our estimate."""
        return self._reader.relayed

    def doubts(self, usage: Usage) -> bool:
        """Far more was handed on than is counted: what a vendor said at the beginning, or a mistake of theirs."""
        return usage.output * FAR < self._reader.relayed

    async def hand_on(self, asker: Asker, complete: Complete) -> None:
        """As it comes; `complete` is told before the last byte goes out.

        Raises UpstreamFailed when the stream is cut, falls silent for the route's `idle_s`, or reports an error.
        """
        reader, answer, data, hide = self._reader, self._answer, self._first, self._way.hide
        try:
            await asker.begin(200, [*SSE, *self._told], reader.say)
            while not reader.done:
                if data:
                    await asker.piece(data)
                    crash.point("mid-stream")
                _heed(reader)
                came = hide(await answer.read())
                data = reader.feed(came) if came else reader.close()
        except BaseException:
            answer.close()
            raise
        answer.finish()
        complete()
        await asker.piece(data, last=True)


async def begin(transport: Transport, way: Way, outbound: Outbound) -> Whole | Stream:
    """Send it, and wait for the whole answer or for the first token of a stream.  Raises UpstreamFailed."""
    route = outbound.route
    patience = min(route.first_byte_s, route.first_token_s) if outbound.stream else route.first_byte_s
    deadlines = Deadlines(route.connect_s, patience, route.idle_s)
    until = asyncio.get_running_loop().time() + patience
    sent = outbound.sent
    headers = way.headers if way.renewed is None else way.renewed()
    headers = (*headers, *sent.headers) if sent.headers else headers
    parts: list[bytes] = []
    told: Told = ()
    for body in (sent.body, *sent.more):
        answer = await transport.send(way.upstream, outbound.path, headers, body, deadlines)
        try:
            if outbound.stream:
                return await _stream(answer, way, outbound, until)
            parts.append(await _plain(answer, way, outbound, until))
            told = limits(answer.headers, system_clock)
        except BaseException as reason:
            answer.close()  # an answer that nobody waits for is cancelled at the vendor
            if isinstance(reason, UpstreamFailed):
                _beside(reason, answer)
            raise
    try:
        said, usage = outbound.said(parts)
    except UpstreamFailed as failure:
        _beside(failure, answer)  # an error inside a 200 has them, too: Qianfan's of a rate limit
        raise
    if sent.form is None or not (looked := look(said, sent.form)).problem:
        return Whole(*outbound.answer(said if sent.form is None else looked.body, usage), told)
    # Its form is wrong, and the vendor cannot be held to it: once more.
    more = again(outbound, sent.form, looked, usage)
    answer = await transport.send(way.upstream, more.path or outbound.path, headers, more.body, deadlines)
    try:
        second, spent = outbound.said([await _plain(answer, way, outbound, until)])
    except BaseException:
        answer.close()
        raise
    return Whole(*outbound.answer(*joined((said, usage), (second, spent), sent.form)), [*told, MENDED])


async def _plain(answer: Answer, way: Way, outbound: Outbound, until: float) -> bytes:
    if answer.status >= REDIRECTS:
        raise await _fault(answer, way, outbound, until)
    return way.hide(await answer.body(PLAIN_LIMIT, until))


async def _stream(answer: Answer, way: Way, outbound: Outbound, until: float) -> Stream:
    if answer.status >= REDIRECTS:
        raise await _fault(answer, way, outbound, until)
    reader = outbound.reader()
    first = await _first_token(answer, way, reader, until)
    answer.idle_s = outbound.route.idle_s
    return Stream(answer, reader, first, way, limits(answer.headers, system_clock))


def _beside(failure: UpstreamFailed, answer: Answer) -> None:
    """What the head of an answer says of limits, whatever its body was."""
    failure.limits = limits(answer.headers, system_clock)
    if failure.retry_after is None:
        failure.retry_after = retry_after(answer.headers, system_clock)


async def _fault(answer: Answer, way: Way, outbound: Outbound, until: float) -> UpstreamFailed:
    said = way.hide(await _complaint(answer, until))
    return outbound.provider.fault(answer.status, answer.headers, said)


async def _complaint(answer: Answer, until: float) -> bytes:
    """What an error says of itself; nothing, where it breaks off: its status and headers are an answer already."""
    try:
        return await answer.body(PLAIN_LIMIT, min(until, asyncio.get_running_loop().time() + COMPLAINT_S))
    except UpstreamFailed:
        return b""


async def _first_token(answer: Answer, way: Way, reader: Reader, until: float) -> bytes:
    """What came up to and with the first token.  `until` is by the event loop's clock."""
    now = asyncio.get_running_loop().time
    seen = b""
    while not (reader.begun or reader.done):
        answer.idle_s = max(until - now(), 0.001)
        came = way.hide(await answer.read())
        seen += reader.feed(came) if came else reader.close()
        _heed(reader)
    return seen


def _heed(reader: Reader) -> None:
    """A failure that came together with something to hand on: a vendor that has said it may say nothing more."""
    if reader.failure is not None:
        raise reader.failure
