"""What a gate does by the clock, in the process of the test."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from gapura.app.create import embedded
from gapura.settings import Settings


def test_an_idle_gate_does_not_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    """Also where every entry shall go to the disk at once: between two looks it sleeps."""
    pauses: list[float] = []
    looked, sleep = asyncio.Event(), asyncio.sleep

    async def noted(pause: float) -> None:
        task = asyncio.current_task()
        if task is not None and "_syncing" in str(task.get_coro()):
            pauses.append(pause)
            if len(pauses) > 4:
                looked.set()
        await sleep(pause)

    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setattr(asyncio, "sleep", noted)

    async def serve() -> None:
        async with embedded(Settings.load({"GAPURA_JOURNAL_FSYNC_MS": "0"}, {}, tmp_path), sandbox=True):
            await looked.wait()

    asyncio.run(serve())
    assert min(pauses) > 0


def test_what_gates_are_forked_from_carries_no_letters_and_no_pages() -> None:
    code = (
        "import sys, gapura.app.serve; print({'babel', 'jinja2', 'aiosmtplib', 'duckdb', 'psycopg'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
