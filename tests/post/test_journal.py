"""The send journal: what is in it after a death at any byte, and who may read it."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.clock import TurnableClock
from gapura.post import Journal, recover
from gapura.post.journal import read
from gapura.terms.letter import Outcome, Receipt

CLOCK = TurnableClock(1_000_000)
TO = "li@example.com"


def receipt(number: int, outcome: Outcome = "delivered", answer: str = "ok") -> Receipt:
    return Receipt(message_id=f"<{number}@example.com>", outcome=outcome, at=1_000_000, code=250, answer=answer)


async def written(folder: Path, numbers: int, answered: int) -> bytes:
    """A journal of so many messages, of which the first ones were answered for."""
    journal = Journal.open(folder, "one", CLOCK)
    for number in range(numbers):
        journal.reserve()
        await journal.sending(f"<{number}@example.com>", TO, f"{number:064}")
    for number in range(answered):
        journal.answered(TO, receipt(number))
        journal.release()
    content = journal.path.read_bytes()
    journal.drop()
    return content


async def test_a_message_without_an_answer_is_unsure(tmp_path: Path) -> None:
    found = read(await written(tmp_path, 3, 1))
    assert [(to, one.message_id, one.outcome) for to, one in found] == [
        (TO, "<0@example.com>", "delivered"),
        (TO, "<1@example.com>", "unsure"),
        (TO, "<2@example.com>", "unsure"),
    ]
    assert found[2][1].sha256 == f"{2:064}"


async def test_every_torn_end_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    content = (await written(tmp_path, 2, 2)).rstrip(b"\0")
    ends = [index + 1 for index, byte in enumerate(content) if byte == ord("\n")]
    grown = ["", "unsure", "unsure unsure", "delivered unsure", "delivered delivered"]
    for cut in range(len(content)):
        whole = sum(end - 1 <= cut for end in ends)
        assert " ".join(one.outcome for _, one in read(content[:cut])) == grown[whole]


@given(st.binary(max_size=300))
def test_garbage_is_no_receipt(raw: bytes) -> None:
    assert read(raw) == ()


@given(st.data())
def test_a_changed_byte_costs_its_line_and_no_other(data: st.DataObject) -> None:
    lines = _lines()
    number = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[number]) - 1))
    changed = bytearray(lines[number])
    changed[at] ^= data.draw(st.integers(1, 255))
    assert len(read(b"\n".join([*lines[:number], bytes(changed), *lines[number + 1 :]]))) == len(lines) - 1


def _lines() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        content = asyncio.run(written(Path(folder), 3, 0))
    return content.rstrip(b"\0\n").split(b"\n")


def test_the_journal_of_a_living_process_is_nobody_elses(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "one", CLOCK)
    assert recover(tmp_path) == []
    with pytest.raises(FileExistsError):
        Journal.open(tmp_path, "one", CLOCK)
    journal.close()
    assert [left.path for left in recover(tmp_path)] == [journal.path]


def test_a_journal_that_has_no_name_yet_is_not_taken_for_a_dead_ones(tmp_path: Path) -> None:
    (tmp_path / ".two").touch()
    assert recover(tmp_path) == []
    journal = Journal.open(tmp_path, "two", CLOCK)  # who died before it had its name is no hindrance
    journal.close()
    assert [path.name for path in tmp_path.iterdir()] == ["two.post"]


async def test_those_who_send_at_once_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("gapura.post.journal._sync", synced.append)
    journal = Journal.open(tmp_path, "one", CLOCK)
    for _ in range(20):
        journal.reserve()
    await asyncio.gather(*(journal.sending(f"<{n}@example.com>", TO, "") for n in range(20)))
    assert 1 <= len(synced) <= 2
    journal.close()
    assert len(recover(tmp_path)[0].receipts) == 20
