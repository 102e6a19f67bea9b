"""kill -9 in the middle of group commits: acknowledged works are there, and every work is there whole or not at all."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gapura.store import audit
from gapura.store.sqlite import Store

WRITER = """
import sys, threading
from pathlib import Path
from gapura.store.audit import Change
from gapura.store.sqlite import Store

store, say = Store.open(Path(sys.argv[1])), threading.Lock()

def write(thread):
    for n in range(1_000_000):
        name = f"{thread}-{n}"
        def work(db):
            db.execute("INSERT INTO meta VALUES (?, 'first')", (f"{name}/a",))
            db.execute("INSERT INTO meta VALUES (?, 'second')", (f"{name}/b",))
        store.change(Change(actor="prn_1", action="write", subject=name, reason=""), work).result()
        with say:
            sys.stdout.write(name + "\\n")
            sys.stdout.flush()

for thread in range(8):
    threading.Thread(target=write, args=(thread,)).start()
"""


@pytest.mark.parametrize("acknowledged", [1, 40, 400])
def test_kill_dash_nine_loses_nothing_that_was_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "home" / "gapura.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        said += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    told = {line.strip() for line in said if line.endswith("\n")}
    assert len(told) >= acknowledged

    store = Store.open(path)
    rows = store.read(lambda db: db.execute("SELECT name FROM meta WHERE name GLOB '*-*/*'").fetchall())
    names = {str(name) for (name,) in rows}
    works = {name.partition("/")[0] for name in names}
    entries = store.read(lambda db: [str(subject) for (subject,) in db.execute("SELECT subject FROM audit")])
    assert told <= works
    assert names == {f"{work}/{half}" for work in works for half in "ab"}, "no work is half there"
    assert sorted(entries) == sorted(works), "and each has its entry"
    assert store.read(lambda db: audit.verify(db, store.secret)) is None
    assert store.read(lambda db: db.pragma("integrity_check")) == "ok"
    assert store.write(lambda db: db.pragma("user_version")).result() == 0, "it can be written to again"
    store.close()
