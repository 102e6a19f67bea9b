"""Many spenders on one grant under `kill -9`, shortened: see bench/soak/spenders.py."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Enough that somebody is killed twice before it is used up, also on a fast machine.
COMMAND = (sys.executable, "-m", "bench.soak.spenders", "--short", "--holds", "800")


def test_a_grant_is_spent_and_never_overspent() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as soak:
        try:
            out, err = soak.communicate(timeout=280)
        finally:
            with suppress(ProcessLookupError):  # of a soak that hangs its gateway must not stay
                os.killpg(soak.pid, signal.SIGKILL)
    assert soak.returncode == 0, err + out
    verdict = json.loads(out)
    assert verdict["problems"] == [] and 0.98 <= verdict["part"] <= 1
    assert verdict["granted"] >= 200 * verdict["largest_hold"]
    assert sum(verdict["kills"].values()) >= 2
