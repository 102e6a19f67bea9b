"""The audit as a file: it verifies as it is, and not with any byte of it changed, taken out or put in."""

import hashlib
import hmac
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.clock import TurnableClock
from gapura.errors import NotFound
from gapura.store import audit, chain
from gapura.store.audit import Change
from gapura.store.base import Connection
from gapura.store.chain import Broken
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store

SCRIPT = Path(__file__).parents[2] / "docs" / "how-to" / "examples" / "verify_audit.py"


@pytest.fixture
def filled(store: Store, clock: TurnableClock) -> Store:
    for n, words in enumerate(("by phone", "理由", "", "x" * 300, '{"a": "é\n"}')):
        by = Change(actor="prn_1", action="account.status", subject=f"acc_{n}", reason=words, detail=words * 2)
        store.change(by, lambda db: db.execute("SELECT 1").get).result()
        clock.turn(seconds=1)
    return store


def exported(store: Store, after: int = 0) -> list[bytes]:
    return store.read(lambda db: list(audit.lines(db, store.secret, store.clock(), after)))


def entries(store: Store) -> list[audit.Entry]:
    return store.read(audit.entries)


def test_it_verifies_and_says_where_it_ends(filled: Store) -> None:
    close = chain.verify(exported(filled))
    assert (close.entries, close.seq, close.hash) == (5, 5, entries(filled)[-1].hash.lower())
    later = chain.verify(exported(filled, after=3))
    assert (later.entries, later.seq, later.hash) == (2, 5, close.hash)
    with pytest.raises(NotFound, match="no audit entry 99"):
        exported(filled, after=99)


def test_an_audit_in_which_nothing_stands_yet(store: Store) -> None:
    assert chain.verify(exported(store)).entries == 0


def test_no_byte_of_it_can_be_changed(filled: Store) -> None:
    """Every position: another value, no value, and one value more."""
    whole = b"".join(exported(filled))
    assert chain.verify(whole.splitlines(keepends=True)).entries == 5
    for place in range(len(whole)):
        changed = whole[:place] + bytes([whole[place] ^ (1 + place % 255)]) + whole[place + 1 :]
        for spoilt in (changed, whole[:place] + whole[place + 1 :], whole[:place] + b"0" + whole[place:]):
            with pytest.raises(Broken):
                chain.verify(spoilt.splitlines(keepends=True))


@given(st.data())
def test_no_lines_can_be_taken_out_doubled_or_moved(data: st.DataObject) -> None:
    lines = _made()
    order = data.draw(st.lists(st.sampled_from(range(len(lines))), max_size=len(lines) + 2))
    if order != list(range(len(lines))):
        with pytest.raises(Broken):
            chain.verify([lines[n] for n in order])


def test_texts_that_retention_took_leave_the_chain_whole(filled: Store) -> None:
    before = chain.verify(exported(filled)).hash
    at = entries(filled)[2].at
    assert filled.write(lambda db: audit.forget(db, at)).result() == 2
    lines = exported(filled)
    assert chain.verify(lines).hash == before
    assert json.loads(lines[1])["reason"] is None and json.loads(lines[1])["salt"] is None


def test_every_byte_of_every_stored_row_is_covered(filled: Store) -> None:
    """As it is found in the store itself, with the home's secret."""
    columns = {
        "audit": ("at", "actor", "action", "subject", "commitment", "hash"),
        "audit_text": ("salt", "reason", "detail"),
    }

    def spoil(db: Connection) -> list[str]:
        missed = []
        for table, names in columns.items():
            for name in names:
                for seq, value in db.execute(f"SELECT seq, {name} FROM {table}").fetchall():
                    for other in _others(value):
                        db.execute("SAVEPOINT s")
                        db.execute(f"UPDATE {table} SET {name} = ? WHERE seq = ?", (other, seq))
                        if audit.verify(db, filled.secret) is None:
                            missed.append(f"{table}.{name} of {seq}")
                        db.execute("ROLLBACK TO s; RELEASE s")
        return missed

    assert filled.write(spoil).result() == []
    assert filled.read(lambda db: audit.verify(db, filled.secret)) is None


def _others(value: object) -> list[object]:
    """The value with each byte of it changed."""
    if isinstance(value, int):
        return [value ^ (1 << bit) for bit in range(60)]
    raw = value.encode() if isinstance(value, str) else value
    assert isinstance(raw, bytes)
    spoilt = [raw[:n] + bytes([raw[n] ^ 1]) + raw[n + 1 :] for n in range(len(raw))]
    return list(spoilt) if isinstance(value, bytes) else [one.decode("utf-8", "replace") for one in spoilt]


def test_the_program_of_the_manual_finds_the_same(filled: Store, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    whole = b"".join(exported(filled))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-I", SCRIPT, path], capture_output=True, text=True, check=False)

    path.write_bytes(whole)
    assert run().stdout.split() == ["5", "entries,", "the", "last", "one", chain.verify(exported(filled)).hash]
    check = runpy.run_path(str(SCRIPT))["check"]
    for place in range(0, len(whole), 7):
        changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with pytest.raises((ValueError, KeyError, TypeError)):
            check(changed)
    path.write_bytes(whole[:-100])
    assert run().returncode == 1


def test_another_home_writes_another_seal(filled: Store) -> None:
    close = json.loads(exported(filled)[-2])
    other = Secret(b"another secret of 32 bytes......")
    forged = filled.read(lambda db: list(audit.lines(db, other, 1)))
    assert json.loads(forged[-2])["hash"] == close["hash"] and json.loads(forged[-2])["seal"] != close["seal"]


def _made() -> list[bytes]:
    """A small file, made without a store."""
    key, before, written = b"k" * 32, chain.START, []
    for seq in (1, 2, 3):
        told = hmac.digest(key, bytes([0x93, 0xC4, 1, seq, 0xA1, 0x72, 0xA0]), hashlib.sha256)
        digest = chain.link(before, seq, 10 + seq, "a", "b", "c", told)
        written.append(chain.Line(seq, 10 + seq, "a", "b", "c", told.hex(), digest.hex(), bytes([seq]).hex(), "r", ""))
        before = digest
    head = chain.Head(home="h", made_at=1, after=0, before=chain.START.hex(), text_key=key.hex())
    return list(chain.write(head, written, lambda _, __: "seal"))
