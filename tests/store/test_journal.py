"""Everything appended is read, nothing else is: torn at every byte, on full disks, by writers that were killed."""

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapura.clock import TurnableClock
from gapura.errors import Unready
from gapura.store import journal
from gapura.store.journal import Journal, JournalFull, Position, Tail, Unreadable
from gapura.terms.record import Context, Ended, Entry, Marked, Opened, Progress, Refused
from gapura.terms.usage import Usage

KB = 1024
CONTEXT = Context(
    "acc_1", "key_1", "org", "m", False, False, "SG", "certain", "peer", "", "", "SG", "dec_1", "v1", "allow", (), ()
)


def opened(name: str, attempt: int = 1) -> Opened:
    return Opened(name, 1, attempt, "glm", "glm-4.6", 9, "tok:acc_1", context=CONTEXT if attempt == 1 else None)


def ended(name: str, error: str = "") -> Ended:
    return Ended(name, 2, "complete", 200, Usage(1, 2), error)


ENTRIES: list[Entry] = [opened("req_1"), Progress(2, (("req_1", 3, 4),)), Marked(3, {"tok:acc_1": 7}), ended("req_1")]


@pytest.fixture
def clock() -> TurnableClock:
    return TurnableClock(1_720_000_000_000_000)


@pytest.fixture
def written(tmp_path: Path, clock: TurnableClock) -> Iterator[Journal]:
    log = Journal.open(tmp_path, "inc_1", segment_bytes=256 * KB, clock=clock)
    yield log
    log.close()


def entries(tail: Tail) -> list[Entry]:
    return [frame.entry for frame in tail.read()]


def test_what_is_appended_is_read_at_once(written: Journal) -> None:
    tail = Tail(written.folder)
    for number, entry in enumerate(ENTRIES, 1):
        assert written.append(entry) == number
        assert tail.read() == [(number, entry)]
        assert tail.read() == []
    assert entries(Tail(written.folder)) == ENTRIES
    assert tail.torn() == 0


def test_a_torn_end_at_every_byte(written: Journal, tmp_path: Path) -> None:
    ends = [0]
    for entry in ENTRIES:
        written.append(entry)
        tail = Tail(written.folder)
        tail.read()
        ends.append(tail.position.offset)
    data = journal.segment(written.folder, 1).read_bytes()
    copy = tmp_path / "copy"
    copy.mkdir()
    for cut in range(ends[-1] + 1):
        whole = sum(end <= cut for end in ends) - 1
        for rest in (b"", bytes(50)):  # cut off, or preallocated behind it
            journal.segment(copy, 1).write_bytes(data[:cut] + rest)
            tail = Tail(copy)
            assert entries(tail) == ENTRIES[:whole]
            assert (tail.torn() > 0) == bool(data[ends[whole] : cut].strip(b"\0"))
        if cut < ends[-1]:  # a bit has turned over: nothing from there on, and never something else
            journal.segment(copy, 1).write_bytes(data[:cut] + bytes([data[cut] ^ 64]) + data[cut + 1 :])
            whole = sum(end <= cut for end in ends) - 1
            tail = Tail(copy)
            assert entries(tail) == ENTRIES[:whole]
            assert tail.torn() > 0


entry_strategy = st.one_of(
    st.builds(ended, st.text(max_size=40), st.text(max_size=300)),
    st.builds(
        Progress,
        st.integers(0, 2**62),
        st.lists(st.tuples(st.text(), st.integers(0, 9), st.integers(0, 2**62))).map(tuple),
    ),
    st.builds(Marked, st.integers(0, 2**62), st.dictionaries(st.text(), st.integers(0, 2**62))),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(entry_strategy, st.integers(0, 3)), max_size=60), st.integers(1, 600))
def test_any_entries_over_any_segments(steps: list[tuple[Entry, int]], limit: int) -> None:
    """A reader beside the writer, with any appetite, sees each entry once and in order."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "RESERVE", 100)
        patch.setattr(journal, "RESERVE_EACH", 10)
        log = Journal.open(Path(folder), "inc_1", segment_bytes=64 * KB, clock=TurnableClock(0))
        tail, seen = Tail(log.folder), []
        for entry, reads in steps:
            log.append(entry)
            for _ in range(reads):
                seen += tail.read(limit)
                tail.drop()
        while frames := tail.read(limit):
            seen += frames
        log.close()
        assert seen == list(enumerate((entry for entry, _ in steps), 1))


def test_segments_are_left_behind_and_dropped(tmp_path: Path, clock: TurnableClock) -> None:
    log = Journal.open(tmp_path, "inc_1", segment_bytes=128 * KB, clock=clock)
    tail = Tail(log.folder)
    for number in range(3000):
        log.append(ended("x", "y" * 200))
        if number % 100 == 0:
            log.sync()
    names = sorted(path.name for path in log.folder.iterdir())
    assert len(names) > 5
    frames = []
    while more := tail.read(10 * KB):
        frames += more
        tail.drop()
    assert [frame.sequence for frame in frames] == list(range(1, 3001))
    assert {"lock", journal.segment(log.folder, tail.position.segment).name} <= {p.name for p in log.folder.iterdir()}
    assert not journal.segment(log.folder, tail.position.segment - 1).exists()
    log.close()


def test_a_gap_that_a_broken_segment_leaves_shows_in_the_numbers(tmp_path: Path, clock: TurnableClock) -> None:
    log = Journal.open(tmp_path, "inc_1", segment_bytes=128 * KB, clock=clock)
    while len(list(log.folder.iterdir())) < 4:
        log.append(ended("x", "y" * 2000))
    log.close()
    with journal.segment(log.folder, 1).open("r+b") as file:
        file.seek(3000)
        file.write(b"\xff" * 10)
    numbers = [frame.sequence for frame in Tail(log.folder).read(10**9)]
    assert numbers[0] == 1 and numbers[-1] == log.sequence
    assert any(later - former > 1 for former, later in pairwise(numbers))


def test_a_frame_of_a_newer_version_is_not_guessed_at(written: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    written.append(ended("old"))
    monkeypatch.setattr(journal, "VERSION", 2)
    written.append(ended("new"))
    monkeypatch.setattr(journal, "VERSION", 1)
    tail = Tail(written.folder)
    assert entries(tail) == [ended("old")]
    with pytest.raises(Unreadable, match="entry 2 has version 2"):
        tail.read()


def test_one_incarnation_is_written_once(written: Journal, tmp_path: Path, clock: TurnableClock) -> None:
    with pytest.raises(FileExistsError):
        Journal.open(tmp_path, "inc_1", clock=clock)
    assert [path.name for path in tmp_path.iterdir()] == ["inc_1"]
    assert (written.folder / "lock").read_text() == journal.boot_id()


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_a_full_disk_stops_new_requests_and_no_end(
    written: Journal, clock: TurnableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(os, "posix_fallocate", no_space)
        begun = 0
        while written.room:
            written.append(opened(f"req_{begun}"))
            begun += 1
        before = written.sequence
        for entry in (opened("more"), Refused("more", 1, 403, "x", CONTEXT)):
            with pytest.raises(Unready):
                written.append(entry)
        assert written.append(Progress(1, ())) == written.append(Marked(1, {})) == before
        for number in range(begun):
            written.append(opened(f"req_{number}", 2))
            written.append(ended(f"req_{number}", "e" * 1000))
    assert [frame.sequence for frame in Tail(written.folder).read(10**9)] == list(range(1, before + 2 * begun + 1))


def test_room_comes_back_by_itself_a_second_later(
    written: Journal, clock: TurnableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(os, "posix_fallocate", no_space)
        while written.room:
            written.append(opened("req"))
    assert not written.room
    clock.turn(seconds=1)
    assert written.room


def test_a_short_write_is_taken_back(written: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    written.append(ENTRIES[0])
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", lambda file, data, at: write(file, data[:5], at) if at else write(file, data, at))
        written.append(ENTRIES[1])
    written.append(ENTRIES[2])
    tail = Tail(written.folder)
    assert entries(tail) == ENTRIES[:3]
    assert tail.position.segment == 2
    first = Tail(written.folder)
    first.read(1)
    assert journal.segment(written.folder, 1).stat().st_size == first.position.offset


def test_a_short_write_without_another_segment(
    written: Journal, monkeypatch: pytest.MonkeyPatch, clock: TurnableClock
) -> None:
    """Nothing of it stays, and nothing new begins until the disk gives a segment."""
    write = os.pwrite
    written.append(ENTRIES[0])
    with monkeypatch.context() as broken:
        broken.setattr(os, "posix_fallocate", no_space)
        broken.setattr(os, "pwrite", lambda file, data, at: write(file, data[:30], at))
        with pytest.raises(JournalFull):
            written.append(ended("req_1"))
        tail = Tail(written.folder)
        assert entries(tail) == ENTRIES[:1] and tail.torn() == 0
    assert not written.room
    clock.turn(seconds=1)
    assert written.room
    assert written.append(ended("req_1")) == 2
    assert tail.read() == [(2, ended("req_1"))]


def test_a_disk_that_takes_nothing_says_so(
    written: Journal, monkeypatch: pytest.MonkeyPatch, clock: TurnableClock
) -> None:
    written.append(ENTRIES[0])
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", no_space)
        with pytest.raises(JournalFull):
            written.append(ended("req_1"))
        assert written.append(Progress(1, ())) == 1
    clock.turn(seconds=2)
    assert written.append(ended("req_1")) == 2
    assert entries(Tail(written.folder)) == [ENTRIES[0], ended("req_1")]


def test_without_fallocate_zeros_are_written(
    tmp_path: Path, clock: TurnableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    log = Journal.open(tmp_path, "inc_1", segment_bytes=3_000_000, clock=clock)
    assert journal.segment(log.folder, 1).stat().st_blocks * 512 >= 3_000_000
    log.close()


def test_a_journal_does_not_open_without_room(
    tmp_path: Path, clock: TurnableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(JournalFull):
        Journal.open(tmp_path, "inc_1", clock=clock)


FILLS = """
import sys
from pathlib import Path
from gapura.clock import TurnableClock
from gapura.store.journal import Journal
from tests_entries import ended, opened
log = Journal.open(Path(sys.argv[1]), "inc_1", segment_bytes=256 * 1024, clock=TurnableClock(0))
begun = 0
while log.room:
    log.append(opened(f"req_{begun}"))
    begun += 1
for number in range(begun):
    log.append(ended(f"req_{number}", "e" * 200))
print(begun, flush=True)
"""


def fill(folder: Path, limit: int | None) -> int:
    """Runs FILLS in a process of its own, whose files may have `limit` bytes; how many requests it had begun."""
    (folder / "tests_entries.py").write_text(Path(__file__).read_text())
    done = subprocess.run(
        [sys.executable, "-c", FILLS, str(folder / "journal")],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    return int(done.stdout)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MB; skipped where the system does not let us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "gapura-test", str(place)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    begun = fill(small_disk, None)
    tail = Tail(small_disk / "journal" / "inc_1")
    read = [frame.entry for frame in tail.read(10**9)]
    assert begun > 100
    assert [e.id for e in read if isinstance(e, Opened)] == [e.id for e in read if isinstance(e, Ended)]
    assert len(read) == 2 * begun


WRITES = """
import sys
from pathlib import Path
from gapura.clock import TurnableClock
from gapura.store.journal import Journal
from tests_entries import ended
log = Journal.open(Path(sys.argv[1]), "inc_1", segment_bytes=256 * 1024, clock=TurnableClock(0))
while True:
    print(log.append(ended("x", "y" * 500)), flush=True)
"""


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    (tmp_path / "tests_entries.py").write_text(Path(__file__).read_text())
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path / "journal")],
        env={"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        for _ in range(2000):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
    numbers = [frame.sequence for frame in Tail(tmp_path / "journal" / "inc_1").read(10**9)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= last


def test_a_position_is_where_reading_goes_on(written: Journal) -> None:
    for entry in ENTRIES:
        written.append(entry)
    tail = Tail(written.folder)
    first = tail.read(1)
    later = Tail(written.folder, tail.position)
    assert [frame.entry for frame in [*first, *later.read()]] == ENTRIES
    assert Position() < tail.position < later.position


def test_what_died_before_it_had_a_name_is_swept(written: Journal, tmp_path: Path) -> None:
    nameless = tmp_path / ".inc_0"
    nameless.mkdir()
    (nameless / "lock").write_text("boot")
    journal.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [written.folder]
