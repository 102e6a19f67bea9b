"""`gapura policy backtest` as it is typed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gapura.cli import gapura
from gapura.settings import PROVIDER_VARIABLES

NEXT = '[[policies]]\npack = "openai/api"\n'
LOG = "ip,account,time\n1.2.4.8,acme,2026-07-01T00:00:00Z\n8.8.8.8,beta,2026-07-01T00:00:00Z\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("GAPURA_", *PROVIDER_VARIABLES.values()))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "next.toml").write_text(NEXT)
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(gapura, ["policy", "backtest", *words], prog_name="gapura")


def data(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["data"]


def refused(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr


def test_people_and_programs_are_told_the_same() -> None:
    found = data(run("log.csv", "--policy", "next.toml", "--json=-"))
    assert found["format"] == 1
    assert (found["hit"]["accounts"], found["seen"]["accounts"]) == (1, 2)
    assert found["question"]["against"] is None
    told = run("log.csv", "--policy", "next.toml")
    assert (told.exit_code, told.stderr) == (0, "")
    assert "accounts     1     2  50.0 %" in told.stdout
    assert not Path("gapura-data").exists()  # asking leaves nothing behind


def test_all_outputs_at_once() -> None:
    words = ("--html", "r.html", "--parquet", "h.parquet", "--json=r.json")
    assert run("log.csv", "--policy", "next.toml", *words).exit_code == 0
    assert json.loads(Path("r.json").read_text())["data"]["hit"]["accounts"] == 1
    assert Path("r.html").read_text().startswith("<!")
    assert Path("h.parquet").read_bytes().startswith(b"PAR1")
    assert run("log.csv", "--policy", "next.toml", *words).exit_code == 0  # what is ours may be written over


def test_a_log_is_never_written_over() -> None:
    assert "is no back-test" in refused(run("other.csv", "--policy", "next.toml", "--json", "log.csv"))
    for option in ("--html", "--parquet"):
        assert "is no back-test" in refused(run("log.csv", "--policy", "next.toml", option, "log.csv"))
    assert Path("log.csv").read_text() == LOG


def test_what_is_in_force_is_what_a_gateway_here_has(folder: Path) -> None:
    (folder / "gapura.toml").write_text(NEXT + '[[policies.rules]]\nid = "r"\neffect = "allow"\nterritories = ["CN"]\n')
    found = data(run("log.csv", "--policy", "next.toml", "--json=-"))
    assert found["question"]["against"]["name"] == "in-force"
    assert found["policy_change"]["blocked"]["accounts"] == 1
    without = data(run("log.csv", "--policy", "next.toml", "--against", "none", "--json=-"))
    assert without["policy_change"] is None


def test_phases_have_begun_unless_asked_as_of_before(folder: Path) -> None:
    (folder / "next.toml").write_text(NEXT + '[[policies.phases]]\neffect = "block"\nfrom = 2100-01-01T00:00:00Z\n')
    assert data(run("log.csv", "--policy", "next.toml", "--json=-"))["hit"]["accounts"] == 1
    before = data(run("log.csv", "--policy", "next.toml", "--at", "2099-12-31T23:59:59Z", "--json=-"))
    assert before["hit"]["accounts"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--policy", "next.toml", "--at", "2026-07-09"), "--at: 2026-07-09 has no offset"),
        (("--policy", "next.toml", "--from", "soon"), "--from: "),
        (("--policy", "next.toml", "--product", "openai/apj"), "no policy of the document is about openai/apj"),
        (("--policy", "next.toml", "--against", "no.toml"), "--against no.toml: there is no such file"),
        (("--policy", "next.toml", "--against", "in-force"), "no gateway has its state here"),
        (("--policy", "next.toml", "--atlas", "log.csv"), "--atlas: "),
        (("--policy", "two.toml"), "several products; say which; there are openai/api, openai/chatgpt"),
        (("--policy", "bad.toml"), 'bad.toml: policies[0].pack'),
        (("--policy", "log.csv"), "log.csv: document"),
        (("--policy", "empty.toml"), "has no [[policies]]"),
        (("--policy", "next.toml", "--parquet", "no/hit.parquet"), "--parquet no/hit.parquet: there is no such folder"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(words: tuple[str, ...], told: str, folder: Path) -> None:
    (folder / "two.toml").write_text(NEXT + '[[policies]]\npack = "openai/chatgpt"\n')
    (folder / "bad.toml").write_text('[[policies]]\npack = "openai/apj"\n')
    (folder / "empty.toml").write_text("")
    assert told in refused(run("log.csv", *words))


def test_the_group_needs_nothing_of_it() -> None:
    heavy = {"duckdb", "numpy", "jinja2", "gapura.logs"}
    program = f"import sys, gapura.cli.policy; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
