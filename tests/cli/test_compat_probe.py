"""A vendor is asked about single fields, under a budget, and what it says is kept: here the sandbox's vendors, which
refuse and ignore as the real ones are documented to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gapura.cli import ending
from gapura.sandbox.live import Live, running


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with running() as live:
        yield live


@pytest.fixture(autouse=True)
def vendors(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider, stem, key in (("qwen", "DASHSCOPE", "sk-sandbox"), ("glm", "ZHIPUAI", "sandbox.sandbox")):
        monkeypatch.setenv(f"{stem}_API_KEY", key)
        monkeypatch.setenv(f"{stem}_BASE_URL", live.urls[provider])
    (tmp_path / "gapura.toml").write_text("policies = []\n")


def test_nothing_is_sent_without_a_yes(run: Any, live: Live, tmp_path: Path) -> None:
    before = live.seen["glm"].requests
    done = run("compat", "probe", "glm/glm-4.6", "--json")
    assert done.exit_code == ending.OK and "nothing was sent" in json.loads(done.stdout)["warnings"][0]
    assert live.seen["glm"].requests == before and not (tmp_path / "gapura-data" / "evidence").exists()
    plan = json.loads(done.stdout)["data"]
    assert 0 < plan["tokens"] <= plan["budget"] == 20_000 and len(plan["probes"]) > 20


def test_what_the_vendor_does_is_held_against_the_tables_and_kept(run: Any, live: Live, tmp_path: Path) -> None:
    before = live.seen["glm"].requests
    done = run("compat", "probe", "glm/glm-4.6", "--yes", "--json")
    found = json.loads(done.stdout)["data"]
    assert live.seen["glm"].requests - before == found["asked"] == len(found["found"])
    by = {one["probe"]: one for one in found["found"]}
    assert (
        by["n=2"]["claimed"] == "contract" and by["n=2"]["answered"] in {"ignored", "refused"} and by["n=2"]["agrees"]
    )
    assert by['tool_choice="required"']["agrees"] is True
    kept = Path(found["file"])
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.is_relative_to(tmp_path)
    assert "sandbox.sandbox" not in kept.read_text(), "the key is no evidence"
    told = run("compat", "evidence", "glm/glm-4.6").stdout
    assert "glm/glm-4.6" in told and "n=2" in told
    assert json.loads(run("compat", "evidence", "qwen/qwen-plus", "--json").stdout)["data"] == []


def test_a_budget_is_kept_to(run: Any, live: Live) -> None:
    before = live.seen["qwen"].requests
    found = json.loads(run("compat", "probe", "qwen/qwen-plus", "--budget", "1200", "--yes", "--json").stdout)["data"]
    assert 0 < found["spent"] <= found["budget"] == 1200
    assert live.seen["qwen"].requests - before == found["asked"] == found["of"] < 5
    none = run("compat", "probe", "qwen/qwen-plus", "--budget", "10", "--yes")
    assert none.exit_code == ending.FAILED and "pays for no probe" in none.stderr


def test_a_key_that_does_not_hold_tells_nothing_of_a_field(
    run: Any, monkeypatch: pytest.MonkeyPatch, live: Live
) -> None:
    monkeypatch.setenv("ZHIPUAI_API_KEY", "nonsense")
    found = json.loads(run("compat", "probe", "glm/glm-4.6", "--budget", "3000", "--yes", "--json").stdout)["data"]
    assert {(one["answered"], one["agrees"]) for one in found["found"]} == {("failed", None)}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("glm", "name a model"),
        ("openai/gpt-4o", "no key of openai"),
        ("nobody/x", "neither a provider"),
        ("anthropic/claude-x", "protocol of its own"),
    ],
)
def test_who_cannot_be_asked_is_said(run: Any, target: str, said: str) -> None:
    done = run("compat", "probe", target, "--yes")
    assert done.exit_code == ending.FAILED and said in done.stderr


def test_a_vendor_that_may_not_be_called_from_here_is_not_asked(
    run: Any, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sandbox")
    monkeypatch.setenv("OPENAI_BASE_URL", live.urls["openai"])
    monkeypatch.setenv("GAPURA_EGRESS_TERRITORY", "CN")
    (tmp_path / "gapura.toml").write_text('[[policies]]\npack = "openai/api"\n')
    before = live.seen["openai"].requests
    done = run("compat", "probe", "openai/gpt-4o", "--yes")
    assert done.exit_code == ending.FAILED and "may not be called from here" in done.stderr
    assert live.seen["openai"].requests == before
