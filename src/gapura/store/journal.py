"""A gate's journal: what happened, on disk before the caller sees the end of the answer.

One folder a gate process (an *incarnation*), in it `lock`, held with flock as long as the process lives, and segments
`000001.gj`, `000002.gj` …, preallocated, so that a disk that fills up stops new requests and not the ends of old ones.
A frame is

    length u32 · CRC32C u32 · version u8 · sequence u64 · msgpack of the entry

little-endian; `length` counts the msgpack, the checksum covers everything behind it.  A length of zero is the end of
what was written so far; a segment is over once a later one holds a frame.  Written through the page cache: a process
that dies loses nothing, a power cut at most what came after the last `sync`.
"""

import errno
import fcntl
import os
import shutil
import struct
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import msgspec

from gapura.clock import SECOND, Clock
from gapura.errors import Unready
from gapura.store.courtesy import PIECE, give_way
from gapura.store.secrets import sync_folder
from gapura.terms.record import Ended, Entry, Marked, Opened, Progress, Refused

VERSION = 1
SEGMENT = 16 * 1024 * 1024
LOCK, SUFFIX = "lock", ".gj"

# What stays free for requests that are open: a fall-over's entry and an end, with an error's text, and some entries
# of the gate itself.
RESERVE = 64 * 1024
RESERVE_EACH = 2 * 1024

# How much a reader takes at once, so that its memory is constant however long the keeper was away.
CHUNK = 1024 * 1024

# To read a frame takes a tenth of the time that it takes to store a request.
TURN = 8

_SIZES = struct.Struct("<II")
_NUMBER = struct.Struct("<BQ")
_HEAD = struct.Struct("<IIBQ")
HEADER = _HEAD.size
_ENCODER = msgspec.msgpack.Encoder()
_fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
_DECODER: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


class JournalFull(Unready):
    """There is no room on the disk for this entry; requests that are open can still be ended."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="journal_full")


class Unreadable(ValueError):
    """A sound frame that this program does not understand: a newer one wrote it."""


class Position(NamedTuple):
    """Where the next frame is: segment from 1, offset in bytes."""

    segment: int = 1
    offset: int = 0


START = Position()


class Frame(NamedTuple):
    sequence: int
    entry: Entry


class Journal:
    """The writing side.  One thread appends; `sync` may run on another one, one call at a time."""

    def __init__(self, folder: Path, lock: int, segment_bytes: int, clock: Clock) -> None:
        self.folder = folder
        self.sequence = 0
        self._lock, self._segment_bytes, self._clock = lock, segment_bytes, clock
        self._allocated = 0
        self._unnamed = False
        self._spare: deque[int] = deque()
        self._filled: deque[int] = deque()
        self._retry_at = 0
        self._open = 0
        self._at, self._end = 0, segment_bytes
        if not self._allocate():
            raise JournalFull(f"{folder}: the disk has no room for a journal of {segment_bytes} bytes")
        self._file = self._spare.popleft()

    @classmethod
    def open(
        cls, folder: Path, incarnation: str, *, segment_bytes: int = SEGMENT, clock: Clock, boot: str | None = None
    ) -> "Journal":
        """Begins the journal of a new incarnation below `folder` (the home's `journal`).

        `boot` names the run of the machine.  Raises FileExistsError where this incarnation has been there,
        JournalFull, or OSError.
        """
        place = folder / incarnation
        if place.exists():
            raise FileExistsError(f"{place}: this incarnation has been there")
        # Whoever finds a folder whose lock is free takes its gate for dead: it gets its name once the lock is held.
        # A process that dies in between leaves a hidden folder with nothing in it but the boot's id (see `sweep`).
        hidden = folder / f".{incarnation}"
        hidden.mkdir(mode=0o700, parents=True)
        lock = os.open(hidden / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(lock, (boot_id() if boot is None else boot).encode())
            os.fsync(lock)
            sync_folder(hidden)
            hidden.rename(place)
            sync_folder(folder)
            return cls(place, lock, segment_bytes, clock)
        except BaseException:
            os.close(lock)
            raise

    @property
    def room(self) -> bool:
        """Whether a new request may be opened: its entries and those of all that are open fit for certain."""
        needed = RESERVE + self._open * RESERVE_EACH
        left = self._end - self._at + self._segment_bytes * len(self._spare)
        while left < needed:
            if not self._allocate():
                return False
            left += self._segment_bytes
        return True

    def append(self, entry: Entry) -> int:
        """Writes an entry; returns its sequence number, from 1.

        Without room, what begins or refuses a request raises JournalFull; what only helps a recovery (progress and
        marks) is let go, returning the last number; ends and fall-overs are written from what was kept for them.
        """
        kind = type(entry)
        optional = kind is Progress or kind is Marked
        opens = isinstance(entry, Opened) and entry.context is not None
        begins = opens or kind is Refused
        if (optional or begins) and not self.room:
            if optional:
                return self.sequence
            raise JournalFull("This gateway cannot record new requests now: its disk is full. Try again later.")
        body = _ENCODER.encode(entry)
        covered = _NUMBER.pack(VERSION, self.sequence + 1) + body
        try:
            self._write(_SIZES.pack(len(body), google_crc32c.value(covered)) + covered)
        except JournalFull:
            if optional:
                return self.sequence
            raise
        self.sequence += 1
        if kind is Ended:
            self._open -= 1
        elif opens:
            self._open += 1
        return self.sequence

    def sync(self) -> None:
        """Brings what was appended before the call to the disk's platter."""
        if self._unnamed:
            self._unnamed = False
            sync_folder(self.folder)
        while self._filled:
            file = self._filled.popleft()
            os.fsync(file)  # not fdatasync: its length was cut
            os.close(file)
        _fdatasync(self._file)

    def close(self) -> None:
        """Syncs, and lets go of the lock: whatever is open now is for the recovery to end."""
        self.sync()
        for file in (self._file, *self._spare, self._lock):
            os.close(file)

    def _write(self, frame: bytes) -> None:
        if len(frame) > self._segment_bytes:
            raise ValueError(f"an entry of {len(frame)} bytes does not fit into a segment of {self._segment_bytes}")
        for _ in range(2):
            if self._at + len(frame) <= self._end:
                try:
                    written = os.pwrite(self._file, frame, self._at)
                except OSError:
                    written = 0
                if written == len(frame):
                    self._at += written
                    return
                self._end = self._at  # this segment takes no more
            if not self._spare and not self._allocate():
                break
            self._rotate()
        if self._end == self._at:
            self._cut()
        raise JournalFull(f"{self.folder}: an entry could not be written, the disk is full or broken")

    def _rotate(self) -> None:
        self._cut()
        self._filled.append(self._file)
        self._file, self._at, self._end = self._spare.popleft(), 0, self._segment_bytes

    def _cut(self) -> None:
        """Takes back what a short write has left, and what was preallocated behind it."""
        with suppress(OSError):  # a reader takes what remains for a torn end, which it is
            os.ftruncate(self._file, self._at)

    def _allocate(self) -> bool:
        """Makes one more segment; after one that failed no earlier than a second later."""
        now = self._clock()
        if now < self._retry_at:
            return False
        path = segment(self.folder, self._allocated + 1)
        file = -1
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            reserve(file, self._segment_bytes)
        except OSError:
            if file >= 0:
                os.close(file)
                path.unlink()
            self._retry_at = now + SECOND
            return False
        self._allocated += 1
        self._unnamed = True
        self._spare.append(file)
        return True


class Tail:
    """The reading side, of a living writer or a dead one: `read` goes on from `position`, which may be set."""

    def __init__(self, folder: Path, position: Position = START) -> None:
        self.folder, self.position = folder, position

    def read(self, limit: int = CHUNK, piece: int = PIECE) -> list[Frame]:
        """The next whole frames, of some `limit` bytes together; none where the writer has written no more yet.
        `piece`: see `courtesy`.

        What is not whole, or has a wrong checksum, may still be on its way: it is left where it is.  Raises
        Unreadable at a sound frame of another version.
        """
        frames: list[Frame] = []
        while limit > 0:
            later = self._later()  # asked first: what the writer wrote before it left is then all there
            try:
                used = self._take(self._data(limit), frames, piece * TURN)
            except Unreadable:
                if frames:
                    break  # what is sound before it comes first
                raise
            limit -= used
            if used == 0:
                if later is None:
                    break
                self.position = Position(later, 0)
        return frames

    def torn(self) -> int:
        """How many bytes lie behind the last whole frame: of a dead writer, a torn end."""
        rest = self._bytes(self.position.segment, self.position.offset, -1)
        return len(rest.rstrip(b"\0"))

    def drop(self) -> None:
        """Deletes the segments before the position; nobody needs them any more."""
        for number in range(self.position.segment - 1, 0, -1):
            try:
                segment(self.folder, number).unlink()
            except FileNotFoundError:
                break

    def _take(self, data: bytes, frames: list[Frame], turn: int) -> int:
        """Adds the whole frames of `data`, which lies at the position, and goes behind them; how many bytes."""
        here, start = self.position
        at = 0
        try:
            while (found := _frame(data, at)) is not None:
                frame, at = found
                frames.append(frame)
                if not len(frames) % turn:
                    give_way()
        finally:
            self.position = Position(here, start + at)
        return at

    def _data(self, limit: int) -> bytes:
        here, offset = self.position
        data = self._bytes(here, offset, max(limit, HEADER))
        if len(data) >= HEADER:
            whole = HEADER + _SIZES.unpack_from(data)[0]
            if whole > len(data):
                data = self._bytes(here, offset, whole)
        return data

    def _later(self) -> int | None:
        """The segment to which the writer has gone on, if it has: preallocated ones hold nothing yet."""
        numbers = (int(path.stem) for path in self.folder.glob("*" + SUFFIX))
        later = sorted(number for number in numbers if number > self.position.segment)
        return next((number for number in later if any(self._bytes(number, 0, HEADER))), None)

    def _bytes(self, number: int, offset: int, limit: int) -> bytes:
        try:
            with segment(self.folder, number).open("rb", buffering=0) as file:
                file.seek(offset)
                return file.read(limit) or b""
        except FileNotFoundError:
            return b""


def _frame(data: bytes, at: int) -> tuple[Frame, int] | None:
    """The frame at `at`, and where the next one begins; None where it is not whole and sound."""
    if len(data) - at < HEADER:
        return None
    length, checksum, version, sequence = _HEAD.unpack_from(data, at)
    end = at + HEADER + length
    if length == 0 or end > len(data) or google_crc32c.value(data[at + _SIZES.size : end]) != checksum:
        return None
    try:
        if version != VERSION:
            raise Unreadable(f"entry {sequence} has version {version}, this program reads {VERSION}")
        return Frame(sequence, _DECODER.decode(data[at + HEADER : end])), end
    except msgspec.MsgspecError as error:
        raise Unreadable(f"entry {sequence}: {error}") from error


def sweep(folder: Path) -> None:
    """Removes what gates left that died before their journal had its name; only while none is alive."""
    for hidden in folder.glob(".*"):
        shutil.rmtree(hidden)


def segment(folder: Path, number: int) -> Path:
    return folder / f"{number:06}{SUFFIX}"


def boot_id() -> str:
    """What names this run of the machine; "" where the system does not tell, so that a power cut is not noticed."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def reserve(file: int, size: int, start: int = 0) -> None:
    """Allocates `size` zero bytes from `start` on, for certain.  Raises OSError (ENOSPC) where they are not there."""
    try:
        # macOS has no posix_fallocate, and not every file system knows it.
        getattr(os, "posix_fallocate", _fill)(file, start, size)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
            raise
        _fill(file, start, size)


def _fill(file: int, start: int, size: int) -> None:
    for offset in range(start, start + size, CHUNK):
        wanted = min(CHUNK, start + size - offset)
        if os.pwrite(file, bytes(wanted), offset) < wanted:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
