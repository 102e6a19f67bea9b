"""Server-sent events without I/O (WHATWG HTML, "Server-sent events"; vendors' deviations in vendors' words).

Bytes are fed as the network cut them, and whole events come back; how they were cut changes nothing.

    >>> decoder = Decoder()
    >>> decoder.feed(b'data:{"n":1}\\r')
    []
    >>> decoder.feed(b'\\n\\r\\n: ping\\n\\ndata: [DO')
    [Event(data='{"n":1}', name='message', comments=())]
    >>> decoder.feed(b'NE]\\n\\n')
    [Event(data='[DONE]', name='message', comments=())]
"""

from collections.abc import Iterator

import msgspec

# No vendor sends an event near this size (images in chunks come as URLs); one that does is broken or hostile.
MAX_EVENT = 1 << 20

BOM = b"\xef\xbb\xbf"


class Event(msgspec.Struct, frozen=True):
    """`data` is what several `data` lines make, joined by newlines.  `comments` are the lines that begin with a
    colon, without it: DashScope hides the true status in one (`HTTP_STATUS/400`)."""

    data: str
    name: str = "message"
    comments: tuple[str, ...] = ()


class StreamError(Exception):
    """The peer broke the protocol, or hung up in the middle of an event."""


class Blocks:
    """Bytes in, blocks out: what stands between two blank lines, with every line end made LF, without its last."""

    def __init__(self) -> None:
        self._pending = b""
        self._begun = self._after_cr = False
        self._broken = ""

    def feed(self, data: bytes) -> list[bytes]:
        """The blocks that are whole now.  Raises StreamError on one over MAX_EVENT, after those before it."""
        if self._broken:
            raise StreamError(self._broken)
        pending = self._pending + self._lines(data)
        if not self._begun:
            if len(pending) < len(BOM) and BOM.startswith(pending):
                self._pending = pending
                return []
            self._begun, pending = True, pending.removeprefix(BOM)
        *blocks, self._pending = pending.split(b"\n\n")
        return self._checked(blocks) if len(pending) > MAX_EVENT else blocks

    @property
    def rest(self) -> bytes:
        """What has come of the block that is not whole yet."""
        return self._pending.strip(b"\n")

    def _lines(self, data: bytes) -> bytes:
        """A lone CR ends a line at once; an LF that comes after it, if only in the next read, is its second half."""
        if self._after_cr and data:
            data, self._after_cr = data.removeprefix(b"\n"), False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _checked(self, blocks: list[bytes]) -> list[bytes]:
        for number, block in enumerate([*blocks, self._pending]):
            if len(block.strip(b"\n")) > MAX_EVENT:
                self._broken, blocks = f"an event exceeds {MAX_EVENT} bytes", blocks[:number]
                self._pending = b""
                if not blocks:
                    raise StreamError(self._broken)
                break
        return blocks


class Decoder:
    """Bytes in, events out.  One decoder serves one stream."""

    def __init__(self) -> None:
        self._blocks = Blocks()

    def feed(self, data: bytes) -> list[Event]:
        return list(events(self._blocks.feed(data)))

    def close(self) -> list[Event]:
        """Call when the peer hangs up.  Raises StreamError if it did so inside an event."""
        whole = self._blocks.feed(b"")
        if self._blocks.rest:
            raise StreamError("the stream ended inside an event")
        return list(events(whole))


def events(blocks: list[bytes]) -> Iterator[Event]:
    """The events of whole blocks.  A block without data (a keep-alive comment) is none."""
    for block in blocks:
        # Nearly every event of every vendor is one line of data.
        if block.startswith(b"data: ") and b"\n" not in block:
            yield Event(block[6:].decode("utf-8", "replace"))
        elif event := _event(block.decode("utf-8", "replace")):
            yield event


def _event(block: str) -> Event | None:
    data: list[str] = []
    comments: list[str] = []
    name = ""
    for line in block.split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif line.startswith(":"):
            comments.append(value)
    return Event("\n".join(data), name or "message", tuple(comments)) if data else None


def encode(event: Event) -> bytes:
    """An event as bytes; `decode` of them gives the same event, where its data holds no carriage return."""
    comments = [f": {comment}" for comment in event.comments]
    name = [] if event.name == "message" else [f"event: {event.name}"]
    data = [f"data: {line}" for line in event.data.split("\n")]
    return "\n".join([*name, *comments, *data, "", ""]).encode()
