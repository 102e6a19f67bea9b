"""One connection to a vendor: HTTP/1.1 on an asyncio Protocol, one answer at a time.

The parser fills a deque and wakes one future; deadlines are one lazy timer a connection.  Nothing is created for a
request but that future: no task, no lock, no context manager.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from gapura.errors import UpstreamFailed

# Precedents: Node.js and nginx give up on an answer's head after 16 to 64 KiB; vendors send 1 to 2 KiB.
HEAD_BYTES = 65_536
HEAD_COUNT = 200
# What we hold of an answer that nobody reads, before the vendor is made to wait.
QUEUE_BYTES = 65_536
# What is handed on of one answer in one turn of the event loop: some hundred events, a millisecond of work.
TURN_BYTES = 32_768
# A large body goes out in pieces of this size, each when there is room for it.
PIECE_BYTES = 262_144

SILENT = 504


def failed(message: str) -> UpstreamFailed:
    return UpstreamFailed(f"The provider {message}.")


def unreachable(why: str) -> UpstreamFailed:
    return UpstreamFailed(f"The provider cannot be reached: {why}.", code="upstream_unreachable")


def untrusted(why: str) -> UpstreamFailed:
    """Nothing was sent, and another try finds the same certificate."""
    return UpstreamFailed(f"The provider's certificate is not good: {why}.", code="upstream_untrusted", retry=False)


def timed_out(message: str) -> UpstreamFailed:
    return UpstreamFailed(f"The provider {message}.", status=SILENT, code="upstream_timeout")


class Connection(asyncio.Protocol):
    """`status` is 0 until the head of the answer is there; `complete` once its end is; `failure` says what went wrong.

    `keep`: may serve another request after this one.  `touched`: the vendor answered something, be it one byte.
    """

    _transport: asyncio.Transport
    _parser: httptools.HttpResponseParser

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: "Callable[[Connection], None]") -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._give_back: Callable[[Connection], None] = Connection.drop
        self._fires = self._due = 0.0
        self._reading = self._writable = self.keep = True
        self.since = 0.0
        self.used = 0
        self.complete = True
        self.failure: UpstreamFailed | None = None
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.queue: deque[bytes] = deque()
        self.queued = 0
        self.touched = self.crowded = False
        self._head_bytes = self._barren = 0

    # For the transport ------------------------------------------------------------------------------------------

    async def ask(self, head: bytes, body: bytes, due: float) -> None:
        """Send a request and wait for the head of its answer, or for `failure`: until `due`, however it trickles."""
        self._reset()
        self.complete = False
        self.used += 1
        if len(body) <= PIECE_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            await self._send(memoryview(body), due)
        while not self.status and self.failure is None:
            await self.wait(due)

    async def _send(self, body: memoryview, due: float) -> None:
        for start in range(0, len(body), PIECE_BYTES):
            while not self._writable and not self.status and self.failure is None:
                await self.wait(due)
            if self.status or self.failure is not None:
                # Answered before it heard us out: the rest of the body would be taken for the next request.
                self.keep = False
                return
            self._transport.write(body[start : start + PIECE_BYTES])

    def due(self, seconds: float) -> float:
        """When so many seconds are over, by the event loop's clock."""
        return self._loop.time() + seconds

    def wait(self, due: float) -> asyncio.Future[None]:
        """Done as soon as anything changed: data, the end, room to write, a failure (silence until `due` is one)."""
        self._due = due
        if self._timer is None or self._fires > due:
            self._arm(due)
        self._waiter = self._loop.create_future()
        return self._waiter

    def take(self) -> bytes:
        """What has come, joined; of much of it a part, and then it is somebody else's turn (`crowded`)."""
        queue = self.queue
        if self.queued > TURN_BYTES:
            data = self._part()
        else:
            data = queue.popleft() if len(queue) == 1 else b"".join(queue)
            queue.clear()
            self.queued = 0
        if not self._reading and not queue and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()
        return data

    def _part(self) -> bytes:
        pieces, size = [], 0
        while size < TURN_BYTES:
            pieces.append(self.queue.popleft())
            size += len(pieces[-1])
        self.queued -= size
        self.crowded = bool(self.queue)
        return b"".join(pieces)

    def reusable(self) -> bool:
        return self.complete and self.keep and not self._transport.is_closing()

    def stale(self) -> bool:
        """Whether it served before and was closed, as idle ones are, without one byte of an answer."""
        return self.used > 1 and not self.touched and self.failure is not None and self.failure.status != SILENT

    def linger(self, give_back: "Callable[[Connection], None]", seconds: float) -> None:
        """Nobody reads on, but the end of the answer is about to come: then give the connection back, else drop it."""
        self._give_back = give_back
        self._lingering = self._loop.call_later(seconds, self.drop)

    def drop(self) -> None:
        """Close at once: what was not sent is not, and the vendor sees it now."""
        self.keep = False
        self._transport.abort()

    # For the event loop -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it
        self._parser = httptools.HttpResponseParser(self)  # not before: a call that fails has no end to delete it at

    def data_received(self, data: bytes) -> None:
        if self.complete:  # nothing was asked: whatever this is, it must not become the next answer
            self.drop()
            return
        self.touched = True
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(failed("switched protocols, which was not asked for"))
        except httptools.HttpParserError as error:
            if not self.complete:  # else the answer is whole, and what follows it is not ours
                cause = error.__context__
                self._fail(cause if isinstance(cause, UpstreamFailed) else failed(f"sent what is not HTTP: {error}"))
        else:
            if self._barren > HEAD_BYTES and not self.complete:
                self._fail(failed(f"sent more than {HEAD_BYTES} bytes of headers"))
            elif self.queued > QUEUE_BYTES and self._reading and not self.complete:
                self._reading = False
                self._transport.pause_reading()
        if self._lingering is not None and self.complete:
            self._stop_lingering()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.keep = False
        if not self.complete:
            if self.status and exc is None and self._ends_with_connection():
                self.complete = True
            elif self.status:
                self._fail(failed("broke off its answer"))
            else:
                self._fail(failed("closed the connection before it answered"))
        if self._timer is not None:
            self._timer.cancel()
        if self._lingering is not None:
            self._stop_lingering()
        del self._parser  # it holds us, and with us what was not read, until the garbage collector comes by
        self._wake()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    # For the parser ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            self.keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:  # a trailer: nothing here needs one
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES or len(self.headers) == HEAD_COUNT:
            raise failed(f"sent more than {HEAD_COUNT} headers or {HEAD_BYTES} bytes of them")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - 1xx: the answer itself is still to come
            self.headers.clear()
            return
        self.keep = self.keep and self._parser.should_keep_alive()
        self.status = status
        self._barren = 0

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.queue.append(body)
            self.queued += len(body)
            self._barren = 0

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True

    # ------------------------------------------------------------------------------------------------------------

    def _stop_lingering(self) -> None:
        lingering, self._lingering = self._lingering, None
        if lingering is not None:
            lingering.cancel()
        self._give_back(self)

    def _ends_with_connection(self) -> bool:
        return not any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers)

    def _fail(self, failure: UpstreamFailed) -> None:
        if self.failure is None:
            self.failure = failure
        self.drop()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        # Lazy: a wait only moves `_due`; the timer finds out when it fires.  One timer a minute, not one a request.
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._due:
            self._arm(self._due)
            return
        verb = "go on with" if self.status else "begin"
        self._fail(timed_out(f"did not {verb} its answer in time"))
        self._wake()
