"""`gapura mail`, over the keeper's socket and without one."""

import json
from pathlib import Path
from typing import Any

from gapura.cli import ending


def test_nothing_has_come_back(run: Any, keeper: int) -> None:
    for command in ("returned", "suppressed"):
        result = run("mail", command)
        assert (result.exit_code, result.stdout.strip()) == (0, "none"), result.output
    result = run("mail", "lift", "li@acme.example", "--reason", "x", "--json")
    assert result.exit_code == ending.FAILED and "li@acme.example is not suppressed" in result.output


def test_without_a_keeper_nothing_can_follow_from_a_message(run: Any, tmp_path: Path) -> None:
    run("account", "add", "acme")
    (tmp_path / "one.eml").write_bytes(b"Subject: x\r\n\r\n")
    result = run("mail", "take", str(tmp_path / "one.eml"), "--json")
    assert result.exit_code != 0 and "no keeper runs" in result.output
    assert json.loads(run("mail", "returned", "--json").stdout)["data"] == []
