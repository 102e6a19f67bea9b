"""When the supervisor is gone, everything goes: also what waits for somebody who will not come, and what hangs."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.app.running import PATIENCE_S, Gateway, environment, until

HANGING = """
import asyncio, os, sys
from gapura.app import loops
from gapura.supervisor import Life

async def main(stop):
    os.write(1, b"runs")
    await stop.wait()
    os.write(1, b" stops")
    await asyncio.Event().wait()

read, write = os.pipe()
loops.run(Life(0, write, 0.2), main)
"""


def pids(gateway: Gateway, process: str) -> list[int]:
    """All that had this name, by the log."""
    return [int(pid) for pid in re.findall(rf"started +pid=(\d+) process='?{process}", gateway.err)]


def test_a_gate_that_waits_for_its_keeper_goes_with_the_supervisor(tmp_path: Path, runtime: str) -> None:
    # A drain longer than the test's patience: only who notices by itself is gone in time.
    with Gateway(tmp_path, environment(tmp_path, runtime, GAPURA_DRAIN_S="60")) as gateway:
        gateway.until("rules")
        (keeper,), (gate,) = pids(gateway, "keeper"), pids(gateway, "gate 0")
        os.kill(keeper, signal.SIGSTOP)
        os.kill(gate, signal.SIGKILL)
        until(lambda: len(pids(gateway, "gate 0")) == 2)
        os.kill(gateway.process.pid, signal.SIGKILL)
        os.kill(keeper, signal.SIGKILL)
        gateway.process.wait(PATIENCE_S)
        until(gateway.gone)


def test_a_child_that_hangs_is_ended_by_the_clock() -> None:
    with subprocess.Popen([sys.executable, "-c", HANGING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.read(4) == b"runs"
        child.stdin.close()
        assert child.stdout.read() == b" stops"
        assert child.wait(PATIENCE_S) == -signal.SIGALRM
