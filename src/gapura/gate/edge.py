"""The caller's side of a socket: uvicorn's httptools protocol, held to stated limits.

As it comes, uvicorn takes any number of headers, waits for ever for a head, a body or a reader, passes trailers off
as headers, and says its errors as plain text, be it amid another answer.  Here each has an end, and an error is
said as the application would say it.
"""

import asyncio
import logging
import socket
import struct
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast

import httptools
import uvicorn
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gapura.clock import system_clock
from gapura.errors import GapuraError, Unready
from gapura.gate.cycle import Cycle
from gapura.gate.head import Limits, check, check_size, malformed, refusal, too_large, too_many_headers
from gapura.terms import ids
from gapura.wire.dialect import Reply
from gapura.wire.messages.errors import render_at

log = logging.getLogger(__name__)


# A caller who is refused amid sending gets the answer only if we go on reading for a while: closing at once would
# reset the connection, and the reset overtakes the answer.  Precedent: nginx, `lingering_close`.
LINGER_S = 5.0
# What a chunked body may have in sizes, extensions and trailers: so many bytes, and a multiple of its content.
FRAMING_BYTES = 131_072
FRAMING_RATIO = 8


class EdgeProtocol(HttpToolsProtocol):
    """One connection of a caller, and what `scope["extensions"]["gapura.connection"]` offers to the app."""

    limits = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asgi = {"version": self.asgi_version, "spec_version": "2.3"}
        self._on_lost: Callable[[], None] | None = None
        self._lost = False
        self._begun: Cycle | None = None  # the one that is being answered; `cycle` is the last that came
        self._refused: GapuraError | None = None
        self._in_head = self._in_body = False
        self._chunk = self._came = self._content = 0
        self._body_due = self._idle_since = 0.0
        self._patience: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    # For the app --------------------------------------------------------------------------------------------------

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The one that answers now."""
        return self._begun.task if self._begun is not None else None

    def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Awaitable[None]:
        """The whole answer to the request that is being answered; see `Cycle.answer`."""
        assert self._begun is not None  # noqa: S101 - whoever answers was begun
        return self._begun.answer(status, headers, body)

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call it once if the caller hangs up before the answer is whole; at once if that has happened already."""
        if self._lost:
            callback()
        else:
            self._on_lost = callback

    def peer_uid(self) -> int | None:
        """The user at the other end of a Unix socket; None where the system does not say."""
        peer = self.transport.get_extra_info("socket")
        if peer is None or peer.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
            return None
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return cast(int, struct.unpack("3i", credentials)[1])

    # For the event loop -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._patience = self.loop.call_later(self.limits.keep_alive_s, self._out_of_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._patience is not None:
            self._patience.cancel()
        self._unwatch()
        if self._stalled is not None:
            self._stalled.cancel()
        if self._begun is not None and not self._begun.response_complete:
            self._begun.disconnected = True
            self._begun.wake()
        super().connection_lost(exc)
        if self._on_lost is not None:
            self._on_lost()
        # What holds us, and we it, stays until the garbage collector comes by: more than all that is open by then.
        self._on_lost, self.cycle = None, cast(Cycle, self._begun)
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            return
        self._chunk = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, GapuraError):
                self._refuse(cause)
            elif cause is None or isinstance(cause, httptools.HttpParserError):
                self._refuse(malformed(f"This is not HTTP/1.1: {error}."))
            else:
                raise
            return
        self._came += self._chunk
        if self._in_head and self._came > self.limits.header_bytes + self.limits.line_bytes:
            self._refuse(too_many_headers(self.limits))
        elif self._in_body and self._came > FRAMING_BYTES + FRAMING_RATIO * self._content:
            self._refuse(malformed("The body is nearly all framing."))
        elif self._in_head or self._in_body:
            self._watch()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # RFC 9110, 7.8: an offer to upgrade may be ignored.  llhttp takes what follows for another protocol, which
            # would lose the body (Java's HttpClient offers h2c with each POST): read the head again without the offer.
            lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
            version = self.parser.get_http_version().encode()
            opening = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.feed_data(opening + b"".join(lines) + b"\r\n" + data[upgrade.args[0] :])

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _out_of_patience(self) -> None:
        # Lazy: one timer a connection, not one a request; it finds out when it fires how long nothing has been asked.
        busy = self._in_head or self._in_body or self._answering()
        left = self.limits.keep_alive_s - (0.0 if busy else self.loop.time() - self._idle_since)
        if left > 0:
            self._patience = self.loop.call_later(left, self._out_of_patience)
        else:
            self.transport.abort()  # a close would wait for a caller who does not read

    # For the parser -----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.url, self.headers = b"", []
        self._in_head = True
        self._content = 0
        self._came = -self._chunk  # where in this chunk it begins is not known: what is counted are the next ones

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.limits.line_bytes:
            raise refusal(414, "uri_too_long", f"The request line exceeds {self.limits.line_bytes} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a trailer is no header: it would pass for one that was checked
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        waits = self._check_head()
        parser = self.parser
        if parser.should_upgrade():
            return
        if self._reading is not None:
            self._unwatch()
        version, keep_alive = parser.get_http_version(), parser.should_keep_alive()
        cycle = Cycle(self, self._scoped(version), keep_alive=keep_alive and version != "1.0", waits=waits)
        self._in_head, self._in_body = False, True
        self._body_due = 0.0
        self.cycle, former = cycle, self.cycle
        if former is None or former.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_body(self, body: bytes) -> None:
        self._content += len(body)
        if self._content > self.limits.body_bytes:
            raise too_large(self.limits)
        cycle = cast(Cycle, self.cycle)
        if cycle.response_complete:
            return
        cycle.content = cycle.content + body if cycle.content else body
        cycle.news = True
        cycle.wake()
        if len(cycle.content) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        if self._reading is not None:
            self._unwatch()
        self._in_body = False
        cycle = cast(Cycle, self.cycle)
        if not cycle.response_complete:
            cycle.more_body, cycle.news = False, True
            cycle.wake()
        # uvicorn stops to read while much of a body, or a next request, waits for the app, and who does not read does
        # not notice a hang-up.  What one connection makes us hold is bounded by `pipelined`.
        self.flow.resume_reading()

    # For the answer -----------------------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        self._on_lost = None
        self._idle_since = self.loop.time()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            if self._stalled is None:
                self._stalled = self.loop.call_later(self.limits.write_s, self.transport.abort)
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refused is not None:
            self._dismiss(self._refused)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._begun = cycle
        cycle.task = self.loop.create_task(self._run(cycle, app))
        self.tasks.add(cycle.task)

    async def _run(self, cycle: Cycle, app: Any) -> None:
        """The app, its bugs told in the caller's dialect where nothing else was told yet."""
        try:
            await app(cycle.scope, cycle.receive, cycle.send)
        except (Exception, asyncio.CancelledError) as bug:
            ended = isinstance(bug, asyncio.CancelledError)
            if not ended:
                log.exception("a request ended in a bug")
            if cycle.response_started:
                self.transport.close()
                return
            error = Unready("The gateway is shutting down.") if ended else GapuraError("The gateway failed.")
            reply, headers = self._said(error)
            cycle.keep_alive = False
            await cycle.answer(reply.status, headers, reply.body)
        else:
            if not (cycle.response_complete or cycle.disconnected):
                log.error("a request was left without the end of its answer")
                self.transport.close()
        finally:
            cycle.on_response, cycle.scope = _nothing, cast(Any, None)
            self.tasks.discard(cast("asyncio.Task[None]", cycle.task))

    # --------------------------------------------------------------------------------------------------------------

    def _check_head(self) -> bool:
        """Whether the caller waits for "100 Continue"."""
        limits = self.limits
        if len(self.headers) > limits.header_count:
            raise too_many_headers(limits)
        if self._chunk > limits.header_bytes or self._came > -self._chunk:  # else it came in one read, and a small one
            check_size(self.headers, limits)
        if len(self.pipeline) >= limits.pipelined:
            raise refusal(429, "too_many_pipelined", "Wait for answers before you send more requests.")
        method, version = self.parser.get_method(), self.parser.get_http_version()
        return check(self.headers, self.url, method, version, limits)

    def _scoped(self, version: str) -> dict[str, Any]:
        """ASGI's scope of the request whose head has come."""
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        return {
            "type": "http",
            "asgi": self._asgi,
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": self.parser.get_method().decode("ascii"),
            "root_path": self.root_path,
            "path": self.root_path + (urllib.parse.unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + url.path,
            "query_string": url.query or b"",
            "headers": self.headers,
            "state": self.app_state.copy(),
            "extensions": {"gapura.connection": self},
        }

    def _answering(self) -> bool:
        return self._begun is not None and not self._begun.response_complete

    def _watch(self) -> None:
        """See to it that what has begun to come goes on coming."""
        now = self.loop.time()
        if self._in_body:
            self._unwatch()
            self._body_due = self._body_due or now + self.limits.body_s
            self._reading = self.loop.call_at(min(now + self.limits.body_idle_s, self._body_due), self._late)
        elif self._reading is None:
            self._reading = self.loop.call_at(now + self.limits.head_s, self._late)

    def _unwatch(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _late(self) -> None:
        if self.flow.read_paused:  # it is us who make the caller wait
            self._reading = self.loop.call_later(self.limits.head_s, self._late)
        else:
            self._refuse(refusal(408, "request_timeout", "The request did not come in time."))

    def _refuse(self, error: GapuraError) -> None:
        """Take no more from this connection; say why, but never in the middle of another answer."""
        self._refused = error.bare()
        self.headers = []  # perhaps many: that is why
        self._unwatch()
        cycle = cast(Cycle, self.cycle)
        if not self._in_body:
            if not self._answering():
                self._dismiss(error)
        elif cycle is not self._begun:
            self.pipeline.popleft()
        elif cycle.response_complete:
            self._dismiss(None)
        elif cycle.response_started:
            self.transport.abort()
        else:
            cycle.disconnected = True
            cycle.wake()
            self._dismiss(error)

    def _dismiss(self, error: GapuraError | None) -> None:
        if self.transport.is_closing():
            return
        if self._patience is not None:
            self._patience.cancel()
        if error is not None:
            reply, headers = self._said(error)
            lines = [b"%b: %b\r\n" % header for header in [*self.server_state.default_headers, *headers]]
            framing = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(reply.body)
            self.transport.write(b"".join([STATUS_LINE[reply.status], *lines, framing, reply.body]))
        self.transport.write_eof()
        self.flow.resume_reading()
        self._reading = self.loop.call_later(LINGER_S, self.transport.abort)

    def _said(self, error: GapuraError) -> tuple[Reply, list[tuple[bytes, bytes]]]:
        reply = render_at(self.url or b"", error)
        request_id = ids.new("req", system_clock()).encode()
        return reply, [*reply.headers, (b"gapura-request-id", request_id)]


def _nothing() -> None:
    pass


def server(
    app: Any,
    *,
    limits: Limits | None = None,
    drain_s: float = 30.0,
    lifespan: Literal["on", "off"] = "off",
    protocol: type[EdgeProtocol] = EdgeProtocol,
) -> uvicorn.Server:
    """A server for gates and keeper alike: `await server(app).serve(sockets=[…])`.

    It drains on SIGTERM, SIGINT or `should_exit`: listens no more, ends what is under way, cancels after `drain_s`.
    The sockets decide the address; a Unix socket will do.
    """
    limited: type[EdgeProtocol] = type("Limited", (protocol,), {"limits": limits or protocol.limits})
    config = Config(
        app,
        http=limited,
        ws="none",
        interface="asgi3",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=cast(int, drain_s),  # uvicorn hands it to `wait_for`
    )
    return uvicorn.Server(config)
