"""The directory: every key and every account as one sorted file that all gates read, and what changed since.

    header     magic, version, how many keys and accounts, where each part begins, CRC32C of the rest and of itself
    records    u32 length and positional msgpack each: the accounts by (organisation, external id), then the keys
    accounts   u64 each, in that order: where its record begins
    by id      u32 each, sorted by id: the number of the account
    keys       44 bytes each, sorted: digest, u64 where its record begins, u32 number of its account
    buckets    u32 for each first two bytes of a digest, and one for the end: the first key that is not below

In the machine's own byte order: the file is made anew by every keeper and never leaves its machine.  It is read with
`pread`, so it lies once in the page cache and not in the memory of each gate, as a mapped file would that is looked up
all over; and one that is cut short is an error, not a SIGBUS.  Decoded callers are remembered (bounded), so a key in
use costs one look into a dict.
"""

import hmac
import os
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import google_crc32c
import msgspec

from gapura.store.base import StoreFailed
from gapura.store.secrets import sync_folder
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.link import Delta

S = TypeVar("S", bound=msgspec.Struct)

MAGIC = b"GAPURADR"
VERSION = 1
HEADER = struct.Struct("=8sI2I5QI")
SEAL = struct.Struct("=I")
ROW = struct.Struct("=32sQI")
NUMBER = struct.Struct("=I")
PLACE = struct.Struct("=Q")
BUCKETS = 65_536
REMEMBERED = 4096
CHUNK = 1 << 20
ORGANISATION = Account.__struct_fields__.index("organisation")
EXTERNAL_ID = Account.__struct_fields__.index("external_id")


class Parts(NamedTuple):
    """The header's numbers: how many there are, and at which byte each part begins."""

    keys: int
    accounts: int
    account_table: int
    by_id: int
    key_table: int
    buckets: int
    end: int


def write(path: Path, keys: Iterable[tuple[bytes, Key]], accounts: Iterable[Account]) -> None:
    """Writes the file beside its place and moves it there once it is on disk (0600, whole or not at all).

    Contacts are left out: no gate needs them.  One process writes a directory, so a draft that a dead one left is
    taken over.  Raises ValueError for a digest that comes twice or a key without its
    account, StoreFailed where the disk does not take it.
    """
    draft = path.with_name(f".{path.name}")
    try:
        with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            _write(file, keys, accounts)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreFailed(f"{path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


class _Body:
    """Writes behind the header, and sums up what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.at, self.crc = file, HEADER.size + SEAL.size, 0
        file.seek(self.at)

    def put(self, data: bytes) -> int:
        """Where `data` begins."""
        self._file.write(data)
        self.crc = google_crc32c.extend(self.crc, data)
        self.at += len(data)
        return self.at - len(data)

    def put_record(self, what: msgspec.Struct) -> int:
        record = msgspec.msgpack.encode(msgspec.structs.astuple(what))
        return self.put(NUMBER.pack(len(record)) + record)


def _write(file: BinaryIO, keys: Iterable[tuple[bytes, Key]], accounts: Iterable[Account]) -> None:
    body = _Body(file)
    places, ids = array("Q"), []
    for account in sorted(accounts, key=_name):
        places.append(body.put_record(_lean(account)))
        ids.append(account.id)
    numbers = {name: number for number, name in enumerate(ids)}
    if len(numbers) != len(ids):
        raise ValueError("an account id comes twice")
    rows = []
    for digest, key in keys:
        if key.account_id not in numbers:
            raise ValueError(f"key {key.id} is of account {key.account_id}, which is not there")
        place = body.put_record(msgspec.structs.replace(key, account_id=""))
        rows.append(ROW.pack(digest, place, numbers[key.account_id]))
    rows.sort()
    for one, other in pairwise(rows):
        if one[:32] == other[:32]:
            raise ValueError(f"the digest {one[:32].hex()} comes twice")
    starts = array("I", (bisect_left(rows, number.to_bytes(2, "big")) for number in range(BUCKETS)))
    starts.append(len(rows))
    account_table = body.put(places.tobytes())
    by_id = body.put(array("I", (numbers[name] for name in sorted(ids))).tobytes())
    key_table = body.at
    for row in rows:
        body.put(row)
    buckets = body.put(starts.tobytes())
    parts = Parts(len(rows), len(ids), account_table, by_id, key_table, buckets, body.at)
    head = HEADER.pack(MAGIC, VERSION, *parts, body.crc)
    file.seek(0)
    file.write(head + SEAL.pack(google_crc32c.value(head)))


class Directory:
    """One file, and what changed since it was written.  For one thread.  `seq` is the number of the last change that
    it holds.  Raises StoreFailed where the file is torn, damaged or of another version."""

    def __init__(self, path: Path, seq: int = 0) -> None:
        self.path, self.seq = path, seq
        try:
            with path.open("rb") as file:
                self._parts = _check(path, file)
                self._file = os.dup(file.fileno())
        except OSError as error:
            raise StoreFailed(f"{path}: {error.strerror}") from error
        self._starts = array("I", self._bytes(self._parts.buckets, (BUCKETS + 1) * NUMBER.size))
        self._keys: dict[bytes, Key] = {}
        self._accounts: dict[str, Account] = {}
        self._names: dict[tuple[str, str], Account] = {}
        self._met: dict[tuple[str, str], Account | None] = {}
        self._young: dict[bytes, Caller] = {}
        self._old: dict[bytes, Caller] = {}

    def find(self, digest: bytes) -> Caller | None:
        """Whose key has this keyed hash: also one that is revoked or expired, or of a suspended account."""
        caller = self._young.get(digest)
        if caller is None:
            caller = self._old.get(digest) or self._look(digest)
            if caller is not None:
                self._remember(digest, caller)
        return caller

    def by_external_id(self, organisation: str, external_id: str) -> Account | None:
        """An account by the operator's own name for it."""
        name = (organisation, external_id)
        if (changed := self._names.get(name)) is not None:
            return changed
        if name not in self._met:
            if len(self._met) >= REMEMBERED:
                self._met.clear()
            self._met[name] = self._look_by_name(name)
        return self._met[name]

    def apply(self, delta: Delta) -> None:
        """Takes changes in: from now on nobody is found as he was.  One that is older than the last is ignored."""
        if delta.seq < self.seq:
            return
        self.seq = delta.seq
        keys = {bytes.fromhex(digest): key for digest, key in delta.keys.items()}
        accounts = {account.id: _lean(account) for account in delta.accounts.values()}
        self._keys.update(keys)
        self._accounts.update(accounts)
        self._names.update((_name(account), account) for account in accounts.values())
        for memo in (self._young, self._old):
            for digest in [d for d, caller in memo.items() if d in keys or caller.account.id in accounts]:
                del memo[digest]

    def close(self) -> None:
        os.close(self._file)

    def _remember(self, digest: bytes, caller: Caller) -> None:
        # Two generations: who was seen since the last turn survives the next one.
        if len(self._young) >= REMEMBERED:
            self._old, self._young = self._young, {}
        self._young[digest] = caller

    def _look(self, digest: bytes) -> Caller | None:
        if (changed := self._keys.get(digest)) is not None:
            account = self._by_id(changed.account_id)
            return None if account is None else Caller(changed, account)
        bucket = int.from_bytes(digest[:2], "big")
        first, last = self._starts[bucket], self._starts[bucket + 1]
        rows = self._bytes(self._parts.key_table + first * ROW.size, (last - first) * ROW.size)
        places = range(0, len(rows), ROW.size)
        step = bisect_left(places, digest, key=lambda place: rows[place : place + 32])
        if step == len(places):
            return None
        found, place, number = ROW.unpack_from(rows, places[step])
        if not hmac.compare_digest(found, digest):
            return None
        account = self._account(number)
        key = msgspec.structs.replace(self._record(place, Key), account_id=account.id)
        return Caller(key, self._accounts.get(account.id, account))

    def _look_by_name(self, name: tuple[str, str]) -> Account | None:
        numbers = range(self._parts.accounts)
        number = bisect_left(numbers, name, key=self._name_at)
        return self._account(number) if number in numbers and self._name_at(number) == name else None

    def _name_at(self, number: int) -> tuple[str, str]:
        """As `_name`, without making an account of it: a search looks at some twenty."""
        values = self._values(self._place(number))
        return values[ORGANISATION], values[EXTERNAL_ID]

    def _by_id(self, name: str) -> Account | None:
        if (changed := self._accounts.get(name)) is not None:
            return changed
        ranks = range(self._parts.accounts)
        rank = bisect_left(ranks, name, key=lambda r: self._ranked(r).id)
        return self._ranked(rank) if rank in ranks and self._ranked(rank).id == name else None

    def _ranked(self, rank: int) -> Account:
        return self._account(NUMBER.unpack(self._bytes(self._parts.by_id + rank * NUMBER.size, NUMBER.size))[0])

    def _account(self, number: int) -> Account:
        return self._record(self._place(number), Account)

    def _place(self, number: int) -> int:
        at = self._parts.account_table + number * PLACE.size
        return int.from_bytes(self._bytes(at, PLACE.size), sys.byteorder)

    def _bytes(self, place: int, size: int) -> bytes:
        return os.pread(self._file, size, place)

    def _record(self, place: int, kind: type[S]) -> S:
        return msgspec.convert(dict(zip(kind.__struct_fields__, self._values(place), strict=True)), kind)

    def _values(self, place: int) -> list[Any]:
        (length,) = NUMBER.unpack(self._bytes(place, NUMBER.size))
        values: list[Any] = msgspec.msgpack.decode(self._bytes(place + NUMBER.size, length))
        return values


def _check(path: Path, file: BinaryIO) -> Parts:
    # Read, not mapped: what is only summed up shall not stay resident in every gate.
    head, seal = file.read(HEADER.size), file.read(SEAL.size)
    if len(seal) < SEAL.size or not head.startswith(MAGIC) or SEAL.pack(google_crc32c.value(head)) != seal:
        raise StoreFailed(f"{path} is not a directory file, or its header is damaged")
    _, version, *numbers, crc = HEADER.unpack(head)
    if version != VERSION:
        raise StoreFailed(f"{path} has format {version}, this gapura reads {VERSION}")
    parts, found, size = Parts(*numbers), 0, len(head) + len(seal)
    while chunk := file.read(CHUNK):
        found = google_crc32c.extend(found, chunk)
        size += len(chunk)
    if size != parts.end:
        raise StoreFailed(f"{path} is torn: it has {size} bytes instead of {parts.end}")
    if found != crc:
        raise StoreFailed(f"{path} is damaged: its checksum is wrong")
    return parts


def _name(account: Account) -> tuple[str, str]:
    return account.organisation, account.external_id


def _lean(account: Account) -> Account:
    return msgspec.structs.replace(account, contacts={})
