"""The socket's side, spoken to in bytes."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvloop

from gapura.sandbox import Live, create_sandbox, running
from gapura.sandbox.edge import BODY_LIMIT, Connection

PATH = "/openai/v1/chat/completions"


def request(model: str = "gpt-4o-mini", path: str = PATH, *more: str, stream: bool = False) -> bytes:
    message = {"role": "user", "content": "hi"}
    body = json.dumps({"model": model, "stream": stream, "messages": [message]}).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Authorization: Bearer k", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Peer:
    def __init__(self, sock: socket.socket) -> None:
        self.sock, self._kept = sock, b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def until(self, mark: bytes) -> bytes:
        while mark not in self._kept:
            more = self.sock.recv(65536)
            assert more, self._kept
            self._kept += more
        found, _, self._kept = self._kept.partition(mark)
        return found + mark

    def answer(self) -> tuple[int, bytes]:
        """One answer with its length, or in chunks."""
        head = self.until(b"\r\n\r\n")
        if b"chunked" in head:
            return int(head.split()[1]), self.until(b"0\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
        while len(self._kept) < length:
            self._kept += self.sock.recv(65536)
        body, self._kept = self._kept[:length], self._kept[length:]
        return int(head.split()[1]), body

    def rest(self) -> bytes:
        while more := self.sock.recv(65536):
            self._kept += more
        found, self._kept = self._kept, b""
        return found


@contextmanager
def connected(live: Live) -> Iterator[Peer]:
    with socket.create_connection(("127.0.0.1", live.port), timeout=60) as sock:
        yield Peer(sock)


def test_every_answer_is_marked(live: Live) -> None:
    for path in (PATH, "/openai/v1/models", "/nowhere", "/sandbox/seen", "/qianfan/v2/none"):
        with connected(live) as peer:
            peer.send(request(path=path))
            assert b"gapura-sandbox: 1\r\n" in peer.until(b"\r\n\r\n")


def test_a_connection_is_kept_and_requests_may_queue(live: Live) -> None:
    with connected(live) as peer:
        peer.send(request() + request("sandbox-slow-1") + request(stream=True) + request("sandbox-404"))
        assert [peer.answer()[0] for _ in range(4)] == [200, 200, 200, 404]


def test_a_request_may_come_byte_by_byte_and_in_chunks(live: Live) -> None:
    _, _, body = request().partition(b"\r\n\r\n")
    head = f"POST {PATH}?q=1 HTTP/1.1\r\nhost: x\r\nAUTHORIZATION: bearer k\r\ntransfer-encoding: chunked\r\n\r\n"
    with connected(live) as peer:
        for byte in head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body):
            peer.send(bytes([byte]))
        assert peer.answer()[0] == 200


def test_the_same_request_gets_the_same_bytes(live: Live) -> None:
    with connected(live) as peer:
        peer.send(request(stream=True) * 2)
        assert peer.answer() == peer.answer()


def test_a_caller_may_wait_for_a_go_ahead(live: Live) -> None:
    head, _, body = request("gpt-4o-mini", PATH, "Expect: 100-continue").partition(b"\r\n\r\n")
    with connected(live) as peer:
        peer.send(head + b"\r\n\r\n")
        assert peer.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(body)
        assert peer.answer()[0] == 200


def test_a_caller_may_ask_to_close(live: Live) -> None:
    for stream in (False, True):
        with connected(live) as peer:
            peer.send(request("gpt-4o-mini", PATH, "Connection: close", stream=stream))
            assert b" 200 OK\r\n" in peer.rest()


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"]
)
def test_what_is_no_http_is_told_so(live: Live, noise: bytes) -> None:
    with connected(live) as peer:
        peer.send(noise)
        assert peer.rest().startswith(b"HTTP/1.1 400 ")


def test_a_body_without_end_is_refused(live: Live) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {2 * BODY_LIMIT}\r\n\r\n".encode()
    with connected(live) as peer:
        peer.send(head)
        with pytest.raises(ConnectionError):
            peer.send(bytes(2 * BODY_LIMIT))


@pytest.mark.parametrize("stream", [False, True])
def test_reset_sends_nothing_and_cut_the_half(live: Live, stream: bool) -> None:
    with connected(live) as peer:
        peer.send(request("sandbox-reset", stream=stream))
        assert peer.rest() == b""
    with connected(live) as peer:
        peer.send(request("sandbox-cut", stream=stream))
        head, _, body = peer.rest().partition(b"\r\n\r\n")
    assert b" 200 OK" in head
    if stream:
        assert body.count(b"data: ") > 1 and b"0\r\n\r\n" not in body
    else:
        assert 0 < len(body) < int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])


@pytest.mark.parametrize(
    ("model", "stream"), [("sandbox-stall", False), ("sandbox-stall", True), ("sandbox-stream-9-60000", True)]
)
def test_an_answer_ends_when_the_caller_leaves(model: str, stream: bool) -> None:
    with running() as live:
        with connected(live) as peer:
            peer.send(request(model, stream=stream))
            peer.until(model.encode())
            assert live.seen["openai"].open == 1
        with connected(live) as peer:
            for _ in range(1000):
                if live.seen["openai"].broken:
                    break
                peer.send(request())
                peer.answer()
        assert (live.seen["openai"].open, live.seen["openai"].broken) == (0, 1)


class Full(asyncio.Transport):
    """A socket whose buffer is full after each write, until it is told otherwise."""

    def __init__(self, above: Connection) -> None:
        super().__init__()
        self.above, self.writes = above, 0
        above.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        self.above.pause_writing()

    def is_closing(self) -> bool:
        return False


def test_a_stream_waits_for_a_slow_reader() -> None:
    async def scene() -> list[int]:
        connection = create_sandbox()()
        socket = Full(connection)
        connection.data_received(request("sandbox-stream-2000-0", stream=True))
        seen = []
        for _ in range(4):
            for _ in range(50):
                await asyncio.sleep(0)
            seen.append(socket.writes)
            connection.resume_writing()
        connection.connection_lost(None)
        return seen

    assert asyncio.run(scene()) == [1, 2, 3, 4]


def test_it_runs_under_uvloop_too_and_ends_when_cancelled() -> None:
    async def scene() -> bytes:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(create_sandbox(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(request(stream=True))
        answer = await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        server.close()
        return answer

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert b"[DONE]" in runner.run(scene())
