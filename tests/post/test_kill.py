"""The sender is killed with -9 while it sends; the mail server's log is the judge.  The long run: bench.soak.post."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_everybody_has_it_and_twice_only_who_was_told() -> None:
    command = [sys.executable, "-m", "bench.soak.post", "--kills", "8", "--people", "400"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    found = json.loads(done.stdout)
    assert found["problems"] == [] and done.returncode == 0
    assert found["messages"] == 400 and found["kills"] > 0
    assert found["second_copies"] <= found["unsure_told"]


def test_the_long_run_is_written_down() -> None:
    (newest, *_) = sorted((ROOT / "bench" / "results").glob("post-kill-*.json"), reverse=True)
    found = json.loads(newest.read_text("utf-8"))
    assert found["ok"] and found["kills"] >= 300 and 0 < found["second_copies"] <= found["unsure_told"]
