"""Messages on the socket between gates and keeper: length as u32 little-endian, then msgpack.  Sans-IO."""

import struct
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

# The largest message is a rulebook with its packs, some hundred kilobytes; what exceeds this is no message of ours.
LIMIT = 16 * 1024 * 1024

_LENGTH = struct.Struct("<I")
_ENCODER = msgspec.msgpack.Encoder()


class FrameError(ValueError):
    """What came is no frame of this protocol; the connection is of no more use."""


def pack(message: msgspec.Struct) -> bytes:
    """Raises FrameError where the message is larger than LIMIT: the other side would not take it."""
    body = _ENCODER.encode(message)
    if len(body) > LIMIT:
        raise FrameError(f"a {type(message).__name__} of {len(body)} bytes exceeds {LIMIT}")
    return _LENGTH.pack(len(body)) + body


class Unpacker(Generic[T]):
    """Bytes, cut where the network likes, to messages of `kind` (a tagged struct, or a union of them)."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """The messages that are whole by now.  Raises FrameError; what follows cannot be read after that."""
        self._buffer += data
        messages: list[T] = []
        at = 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if length > LIMIT:
                raise FrameError(f"a frame of {length} bytes exceeds {LIMIT}")
            end = at + _LENGTH.size + length
            if end > len(self._buffer):
                break
            try:
                messages.append(self._decoder.decode(memoryview(self._buffer)[at + _LENGTH.size : end].toreadonly()))
            except msgspec.MsgspecError as error:
                raise FrameError(f"not a message: {error}") from error
            at = end
        del self._buffer[:at]
        return messages
