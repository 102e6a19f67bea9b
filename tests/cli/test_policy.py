import json
from pathlib import Path
from typing import Any

import pytest

from gapura.cli import ending

ROUTE = '[routes."gpt-4o-mini"]\ntargets = ["openai/gpt-4o-mini", "qwen/qwen-plus"]\n'


@pytest.fixture(autouse=True)
def providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stem in ("OPENAI", "DASHSCOPE"):
        monkeypatch.setenv(f"{stem}_API_KEY", "sk-test")
    (tmp_path / "gapura.toml").write_text(ROUTE)


def test_where_a_request_would_go(run: Any) -> None:
    there = run("route", "try", "gpt-4o-mini", "SG")
    assert there.exit_code == 0 and there.stdout.index("openai/gpt-4o-mini") < there.stdout.index("qwen/qwen-plus")
    moved = json.loads(run("route", "try", "gpt-4o-mini", "CN", "--json").stdout)["data"]
    assert moved["tries"] == ["qwen/qwen-plus"]
    nowhere = run("route", "try", "openai/gpt-4o-mini", "CN")
    assert nowhere.exit_code == ending.NO and "unsupported_country_region_territory" in nowhere.stdout
    assert "openai/gpt-4o-mini, qwen/qwen-plus" in run("route", "show").stdout


def test_why(run: Any) -> None:
    told = run("policy", "explain", "CN", "--model", "gpt-4o-mini").stdout
    assert "openai/gpt-4o-mini: block, because" in told and "qwen/qwen-plus: allow" in told
    assert "ipfire" in run("policy", "explain", "8.8.8.8").stdout
    assert "openai/api" in run("policy", "show").stdout
    missing = run("policy", "explain", "dec_none")
    assert missing.exit_code == ending.FAILED and "dec_none" in missing.stderr


def test_a_document_is_checked(run: Any, tmp_path: Path) -> None:
    same = run("policy", "check", "gapura.toml")
    assert same.exit_code == 0 and "is what is in force" in same.stdout
    (tmp_path / "new.toml").write_text("policies = []\n" + ROUTE)
    assert "differs" in run("policy", "check", "new.toml").stdout
    (tmp_path / "bad.toml").write_text(ROUTE.replace("qwen/", "qwne/"))
    bad = run("policy", "check", "bad.toml")
    assert bad.exit_code == ending.NO and "did you mean qwen?" in bad.stdout


def test_there_is_nothing_to_reload_without_a_gateway(run: Any) -> None:
    done = run("policy", "reload")
    assert done.exit_code == ending.FAILED and "no keeper runs" in done.stderr


def test_a_document_in_force_that_cannot_be_meant_is_told(run: Any, tmp_path: Path) -> None:
    (tmp_path / "gapura.toml").write_text(ROUTE.replace("qwen/", "qwne/"))
    result = run("policy", "show")
    assert result.exit_code == ending.FAILED and "routes.gpt-4o-mini.targets[1]" in result.stderr
