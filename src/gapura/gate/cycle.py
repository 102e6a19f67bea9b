"""One request and its answer: uvicorn's cycle, without what most requests do not need.

A body that has come is handed over without an event to wait for, and `answer` writes head and body at once.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from gapura.gate.edge import EdgeProtocol


class Cycle(RequestResponseCycle):
    """`news`: something of the body has come, or its end, that `receive` has not told yet."""

    def __init__(self, protocol: "EdgeProtocol", scope: Any, *, keep_alive: bool, waits: bool) -> None:
        # Not uvicorn's, which makes an event for each request; all that its methods look at is set.
        self.scope = scope
        self.transport, self.flow, self.logger = protocol.transport, protocol.flow, protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.on_response = protocol.on_response_complete
        self.keep_alive, self.waiting_for_100_continue = keep_alive, waits
        self.access_log = self.disconnected = self.response_started = self.response_complete = False
        self.chunked_encoding, self.expected_content_length = None, 0
        self.content = b""
        self.more_body, self.news = True, False
        self.task: asyncio.Task[None] | None = None
        self._event: asyncio.Event | None = None

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]  # uvicorn's own is made beforehand
        if self._event is None:
            self._event = asyncio.Event()
        return self._event

    def wake(self) -> None:
        """There is something to tell: `news`, or that the caller is gone."""
        if self._event is not None:
            self._event.set()

    async def receive(self) -> Any:
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        self.flow.resume_reading()
        while not (self.news or self.disconnected or self.response_complete):
            self.message_event.clear()
            await self.message_event.wait()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        content, self.content, self.news = self.content, b"", False
        return {"type": "http.request", "body": content, "more_body": self.more_body}

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """The whole answer.  `headers` say nothing of its length or of the connection.  Raises RuntimeError for one
        that would not be a header."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        told = [*self.default_headers, *headers]
        lines = b"".join([name + b": " + value + b"\r\n" for name, value in told])
        # A line break inside a value would begin a header, or an answer, of the value's choosing.
        if not lines.count(b"\r") == lines.count(b"\n") == len(told) or b"\0" in lines:
            raise RuntimeError("a header of an answer holds a line break or a NUL")
        end = b"content-length: %d\r\n%b\r\n" % (len(body), b"" if self.keep_alive else b"connection: close\r\n")
        said = b"" if self.scope["method"] == "HEAD" else body
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.writelines((STATUS_LINE[status], lines, end, said))
        self.wake()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
