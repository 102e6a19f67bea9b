"""`kill -9` of gates, keeper and supervisor, shortened: see docs/explanation/crashes.md and bench/soak/kill.py."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from bench.soak.killer import POINTS

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "bench.soak.kill", "--short")


def test_what_callers_were_told_is_what_the_record_says() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as soak:
        try:
            out, err = soak.communicate(timeout=280)
        finally:
            with suppress(ProcessLookupError):  # of a soak that hangs its gateway must not stay
                os.killpg(soak.pid, signal.SIGKILL)
    assert soak.returncode == 0, err + out
    verdict = json.loads(out)
    assert verdict["problems"] == []
    assert all(verdict["kills"][who] >= 2 for who in ("gate", "keeper", "supervisor", *POINTS))
    assert min(verdict["answers"][state] for state in ("whole", "cut", "refused")) > 10
