"""The journal of what was sent: a process that is killed has left in it what the relay was given and what it answered.

One file a batch, held with flock by the process that sends.  A line is the CRC32C of its JSON, a blank and the JSON:
*sending* is written when the relay is ready for the content and before the first byte of it goes out, *answered* when
its answer has come.  A *sending* without an answer may have arrived and may yet not have: `unsure`.

Room is taken ahead for both lines of a message, so that a disk that fills up stops the next message and never the
answer to one that is out.  Written through the page cache and synced before the content goes: neither a kill nor a
power cut makes a message that was handed over look as if it was not.
"""

import asyncio
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import msgspec

from gapura.clock import Clock
from gapura.store.journal import reserve
from gapura.store.secrets import sync_folder
from gapura.terms.letter import Receipt

SUFFIX = ".post"
PIECE = 256 * 1024
EACH = 8 * 1024
"""More than both lines of a message take: their longest field is an answer of 500 signs."""


_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class JournalFull(Exception):
    """The disk has no room for the lines of one more message; nothing of it was sent."""


class Sending(msgspec.Struct, frozen=True, tag="sending", tag_field="is"):
    message_id: str
    to: str
    sha256: str
    at: int


class Answered(msgspec.Struct, frozen=True, tag="answered", tag_field="is"):
    to: str
    receipt: Receipt


class Left(NamedTuple):
    """What a process left: each message that the relay was given, with its address, and `unsure` without an answer."""

    path: Path
    receipts: tuple[tuple[str, Receipt], ...]

    def drop(self) -> None:
        """Once the receipts are stored."""
        self.path.unlink(missing_ok=True)


class Journal:
    """The writing side: one process, one thread."""

    def __init__(self, path: Path, file: int, clock: Clock) -> None:
        self.path = path
        self._file, self._clock = file, clock
        self._at = self._end = 0
        self._reserved = 0
        self._syncing = asyncio.Lock()
        self._synced = 0

    @classmethod
    def open(cls, folder: Path, name: str, clock: Clock) -> "Journal":
        """Begins a new file `name` in `folder`.  Raises FileExistsError where it has been there, or OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, hidden = folder / f"{name}{SUFFIX}", folder / f".{name}"
        # Whoever finds a journal whose lock is free takes its process for dead: it gets its name once it is locked.
        file = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.hardlink_to(hidden)
            hidden.unlink()
            sync_folder(folder)
        except BaseException:
            os.close(file)
            raise
        return cls(path, file, clock)

    def reserve(self) -> None:
        """Room for one message, until its answer is written.  Raises JournalFull."""
        while self._end - self._at < (self._reserved + 1) * EACH:
            try:
                reserve(self._file, PIECE, self._end)
            except OSError as error:
                raise JournalFull(f"{self.path}: no room for the journal: {error.strerror}") from None
            self._end += PIECE
        self._reserved += 1

    def release(self) -> None:
        """What was reserved is written, or not needed."""
        self._reserved -= 1

    async def sending(self, message_id: str, to: str, sha256: str) -> None:
        """Returns when the line is on the disk's platter.  Raises OSError."""
        self._append(Sending(message_id, to, sha256, self._clock()))
        mark = self._at
        # Whoever comes while a sync runs waits for the next one, and one sync is enough for all who wait.
        async with self._syncing:
            if self._synced < mark:
                reached = self._at
                await asyncio.to_thread(_sync, self._file)
                self._synced = reached

    def answered(self, to: str, receipt: Receipt) -> None:
        """Raises OSError."""
        self._append(Answered(to, receipt))

    def close(self) -> None:
        """Lets go of the file; what it says stays until it is dropped.  Closing it twice is as closing it once."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def drop(self) -> None:
        """Closes it, and forgets what it says: everything of it is stored elsewhere."""
        self.path.unlink(missing_ok=True)
        self.close()

    def _append(self, entry: Sending | Answered) -> None:
        body = msgspec.json.encode(entry)
        line = b"%08x %s\n" % (google_crc32c.value(body), body)
        if len(line) > EACH // 2:
            raise OSError(f"{self.path}: a line of {len(line)} bytes")
        written = os.pwrite(self._file, line, self._at)
        if written < len(line):
            raise OSError(f"{self.path}: a short write")
        self._at += written


def recover(folder: Path) -> list[Left]:
    """What dead processes left in `folder`, oldest first; files of living ones are passed over."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda one: one.stat().st_mtime_ns):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            found.append(Left(path, read(file.read())))
    return found


def read(content: bytes) -> tuple[tuple[str, Receipt], ...]:
    """The receipts of a journal's content, in the order in which the messages went out; a torn last line is none."""
    receipts: dict[tuple[str, str], Receipt] = {}
    for line in content.split(b"\n"):
        entry = _entry(line)
        if isinstance(entry, Sending):
            unsure = "the process ended before an answer came"
            receipts[entry.message_id, entry.to] = Receipt(
                message_id=entry.message_id, outcome="unsure", at=entry.at, answer=unsure, sha256=entry.sha256
            )
        elif entry is not None:
            receipts[entry.receipt.message_id, entry.to] = entry.receipt
    return tuple((to, receipt) for (_, to), receipt in receipts.items())


def _entry(line: bytes) -> Sending | Answered | None:
    checksum, _, body = line.partition(b" ")
    with suppress(msgspec.MsgspecError):
        if b"%08x" % google_crc32c.value(body) == checksum:
            return msgspec.json.decode(body, type=Sending | Answered)
    return None
