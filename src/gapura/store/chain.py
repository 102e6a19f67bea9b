"""The audit as a file, one JSON object a line, which anybody can verify without this program, its store or its secret.

    head      {"format":"gapura.audit/1","home":…,"made_at":…,"after":…,"before":…,"text_key":…}
    entries   {"seq":…,"at":…,"actor":…,"action":…,"subject":…,"commitment":…,"hash":…,"salt":…,"reason":…,"detail":…}
    close     {"entries":…,"seq":…,"hash":…,"seal":…}
    digest    {"sha256":…}                             of every byte before this line

    hash        SHA-256 of the hash before it and the MessagePack of [seq, at, actor, action, subject, commitment]
    commitment  HMAC-SHA256, under text_key, of the MessagePack of [salt, reason, detail]

Bytes are in hexadecimal.  `salt`, `reason` and `detail` are null where retention has deleted them: the commitment
stays, and says nothing without the salt.  So every byte is bound to the last line, and the last hash to all that was
written; whoever was told that hash at another time by another way can see that none of it was written anew.  `seal` is
for the home alone, which knows by its secret that the hash is its own.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

START = bytes(32)
FORMAT = "gapura.audit/1"


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after`, `before`: number and hash of the entry that stands before the first; 0 and zeros where none does."""

    format: str = FORMAT
    home: str
    made_at: int
    after: int
    before: str
    text_key: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry."""

    seq: int
    at: int
    actor: str
    action: str
    subject: str
    commitment: str
    hash: str
    salt: str | None
    reason: str | None
    detail: str | None


class Close(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many entries there are, and the last one's number and hash."""

    entries: int
    seq: int
    hash: str
    seal: str


class Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str


class Broken(ValueError):
    """Says at which line, and what is wrong there."""


def link(before: bytes, *fields: int | str | bytes) -> bytes:
    """An entry's hash.  MessagePack of a list of integers, text and bytes has one shortest encoding."""
    return hashlib.sha256(before + msgspec.msgpack.encode(fields)).digest()


def commitment(key: bytes, salt: bytes, reason: str, detail: str) -> bytes:
    return hmac.digest(key, msgspec.msgpack.encode((salt, reason, detail)), "sha256")


def write(head: Head, entries: Iterable[Line], seal: Callable[[int, bytes], str]) -> Iterator[bytes]:
    """The file's lines.  `seal`: of the last number and hash."""
    whole, count, seq, last = hashlib.sha256(), 0, head.after, head.before

    def told(what: msgspec.Struct) -> bytes:
        line = _encoded(what)
        whole.update(line)
        return line

    yield told(head)
    for entry in entries:
        yield told(entry)
        count, seq, last = count + 1, entry.seq, entry.hash
    yield told(Close(count, seq, last, seal(seq, bytes.fromhex(last)) if seq else ""))
    yield _encoded(Digest(whole.hexdigest()))


def verify(lines: Iterable[bytes]) -> Close:
    """What the file ends with, where every byte of it is as it was written.  Raises Broken."""
    try:
        return _verify(lines)
    except StopIteration:
        raise Broken("the file is cut off: its last lines are missing") from None


def entry(raw: bytes) -> Line | None:
    """A line of a file that was verified; None for its head and its end."""
    return msgspec.json.decode(raw, type=Line) if raw.startswith(b'{"seq"') else None


def _verify(given: Iterable[bytes]) -> Close:
    lines, whole = iter(given), hashlib.sha256()
    raw, number = next(lines), 1
    head = _read(raw, Head, number)
    if head.format != FORMAT:
        raise Broken(f"line {number}: this is {head.format!r}, and not {FORMAT}")
    seq, before, count = head.after, _bytes(head.before, number), 0
    while True:
        whole.update(raw)
        raw, number = next(lines), number + 1
        if raw.startswith(b'{"entries"'):
            break
        entry = _read(raw, Line, number)
        before = _followed(entry, head, seq, before, number)
        seq, count = entry.seq, count + 1
    close = _read(raw, Close, number)
    if (close.entries, close.seq, close.hash) != (count, seq, before.hex()):
        raise Broken(f"line {number}: entries are missing before it")
    whole.update(raw)
    if _read(next(lines), Digest, number + 1).sha256 != whole.hexdigest():
        raise Broken(f"line {number + 1}: the bytes before it are not those that it was written for")
    if next(lines, None) is not None:
        raise Broken(f"line {number + 2}: something follows the last line")
    return close


def _followed(entry: Line, head: Head, seq: int, before: bytes, number: int) -> bytes:
    """Its hash, where it follows the entry `seq` with the hash `before`."""
    if entry.seq != seq + 1:
        raise Broken(f"line {number}: entry {seq + 1} is missing")
    told = _bytes(entry.commitment, number)
    found = link(before, entry.seq, entry.at, entry.actor, entry.action, entry.subject, told)
    if entry.hash != found.hex():
        raise Broken(f"line {number}: entry {entry.seq} was altered")
    if entry.salt is not None:
        key, salt = _bytes(head.text_key, number), _bytes(entry.salt, number)
        if commitment(key, salt, entry.reason or "", entry.detail or "") != told:
            raise Broken(f"line {number}: entry {entry.seq} has another text than was written")
    return found


def _bytes(written: str, number: int) -> bytes:
    try:
        return bytes.fromhex(written)
    except ValueError as error:
        raise Broken(f"line {number}: {error}") from None


def _read(raw: bytes, kind: type[S], number: int) -> S:
    """Exactly as it was written: no blank more, and nothing written in another way."""
    try:
        found = msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Broken(f"line {number}: {error}") from None
    if _encoded(found) != raw:
        raise Broken(f"line {number}: it is written in another way than we write")
    return found


def _encoded(what: msgspec.Struct) -> bytes:
    return msgspec.json.encode(what) + b"\n"
