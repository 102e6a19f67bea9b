"""A point kills for certain, and only the point that was named, at the time that was named."""

import signal
import subprocess
import sys

import pytest

PROGRAM = "from gapura import crash\nfor n in range(3):\n    print(n, flush=True)\n    crash.point('after-open')\n"


@pytest.mark.parametrize(
    ("where", "lines", "status"),
    [
        ("", "0\n1\n2\n", 0),
        ("before-open", "0\n1\n2\n", 0),
        ("after-open", "0\n", -signal.SIGKILL),
        ("after-open:3", "0\n1\n2\n", -signal.SIGKILL),
        ("after-open:4", "0\n1\n2\n", 0),
    ],
)
def test_where_the_process_dies(where: str, lines: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={"GAPURA_CRASH_AT": where}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == (lines, status)
