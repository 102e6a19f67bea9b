"""The sandbox's side of a socket: HTTP/1.1 by httptools, answers written as the reply's `ending` says.

A plain answer is written in the call that read the request; only streams and delays have a task.  It is the
upstream of load tests, so it must be faster than what is measured with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import NamedTuple, cast

import httptools
import msgspec

from gapura.sandbox.shape import JSON, Call, Headers, Reply

BODY_LIMIT = 64 << 20
BATCH = 64 << 10

_REASON = {status.value: status.phrase.encode() for status in HTTPStatus}


class Seen(msgspec.Struct):
    """What a vendor saw: requests, answers being sent now, answers sent whole, answers that the caller left or a
    fault broke off."""

    requests: int = 0
    open: int = 0
    whole: int = 0
    broken: int = 0

    def begin(self) -> None:
        self.requests += 1
        self.open += 1

    def end(self, *, complete: bool) -> None:
        self.open -= 1
        self.whole += complete
        self.broken += not complete


class Answer(NamedTuple):
    reply: Reply
    seen: Seen


class Connection(asyncio.Protocol):
    def __init__(self, answer: Callable[[Call], Answer], open_: set["Connection"]) -> None:
        self._answer, self._open = answer, open_
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Call, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - either way it is over
        self._open.discard(self)
        self._waiting.clear()
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:  # a bug of ours: it shall be seen, not answered
            self._transport.abort()
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._give_up(400)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def abort(self) -> None:
        self._transport.abort()

    # httptools

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", dict[str, str](), bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > BODY_LIMIT:
            self._give_up(413)
            self._body.clear()

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        call = Call(self._parser.get_method().decode(), path, self._headers, bytes(self._body), query)
        self._waiting.append((call, self._parser.should_keep_alive()))
        if self._task is None:
            self._next()

    # answers, one after the other

    def _next(self) -> None:
        while self._waiting and not self._transport.is_closing():
            call, keep = self._waiting.popleft()
            answer = self._answer(call)
            answer.seen.begin()
            reply = answer.reply
            if isinstance(reply.body, bytes) and reply.ending == "whole" and not reply.delay:
                answer.seen.end(complete=True)
                self._transport.write(_head(reply, b"content-length: %d" % len(reply.body)) + reply.body)
                if not keep:
                    self._transport.close()
            else:
                self._task = asyncio.get_running_loop().create_task(self._tell(answer, keep=keep))
                return

    async def _tell(self, answer: Answer, *, keep: bool) -> None:
        complete = False
        try:
            complete = await self._send(answer.reply)
        finally:
            self._task = None
            answer.seen.end(complete=complete)
        if not (complete and keep):
            self._transport.close()
        self._next()

    async def _send(self, reply: Reply) -> bool:
        await asyncio.sleep(reply.delay)
        if reply.ending == "reset":
            return False
        if isinstance(reply.body, bytes):
            shown = reply.body if reply.ending == "whole" else reply.body[: len(reply.body) // 2]
            self._transport.write(_head(reply, b"content-length: %d" % len(reply.body)) + shown)
        else:
            pieces = reply.body
            if reply.ending != "whole":
                pieces = list(pieces)
                pieces = pieces[: len(pieces) // 2]
            await self._stream(reply, pieces)
        if reply.ending == "stall":
            await asyncio.get_running_loop().create_future()  # until the caller hangs up
        return reply.ending == "whole"

    async def _stream(self, reply: Reply, pieces: Iterable[bytes]) -> None:
        """Each piece in a chunk of its own; without a pause between them, as many in a write as fit a batch."""
        buffer = bytearray(_head(reply, b"transfer-encoding: chunked"))
        for piece in pieces:
            buffer += b"%x\r\n%b\r\n" % (len(piece), piece)
            if reply.pause or len(buffer) > BATCH:
                self._transport.write(bytes(buffer))
                buffer.clear()
                await self._room.wait()
                await asyncio.sleep(reply.pause)
        if reply.ending == "whole":
            buffer += b"0\r\n\r\n"
        self._transport.write(bytes(buffer))

    def _give_up(self, status: int) -> None:
        if self._transport.is_closing():
            return
        body = b'{"error":"not an HTTP request that the sandbox can read"}'
        headers: Headers = ((b"content-type", JSON), (b"connection", b"close"))
        self._transport.write(_head(Reply(status, headers, body), b"content-length: %d" % len(body)) + body)
        self._transport.close()


def _head(reply: Reply, length: bytes) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in reply.headers)
    reason = _REASON.get(reply.status, b"Unknown")
    return b"HTTP/1.1 %d %b\r\ngapura-sandbox: 1\r\n%b%b\r\n\r\n" % (reply.status, reason, lines, length)
