"""What recorded requests would lose, as a person asks for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from gapura.cli import ending

USER = [{"role": "user", "content": "hi"}]
PLAIN = {"model": "gpt-4o", "messages": USER}
MANY = {"model": "gpt-3.5-turbo", "messages": USER, "n": 3, "temperature": 1.7}
FORCED = {
    "model": "gpt-4o-mini",
    "messages": USER,
    "tools": [{"type": "function", "function": {"name": "f", "description": "d"}}],
    "tool_choice": "required",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "requests.jsonl"
    lines = [PLAIN, {"url": "/v1/chat/completions", "body": MANY}, FORCED, {"model": "gpt-4o", "messages": "hi"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_each_request_is_judged_at_each_target(run: Any, file: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    done = run(
        "compat", file, "--target", "qwen-plus,ernie-4.5-turbo-128k", "--target", "glm", "--rows", rows, "--json"
    )
    assert done.exit_code == ending.NO
    found = json.loads(done.stdout)["data"]
    counted = {
        one["target"]: {name: one[name] for name in ("same", "behavioural", "contract", "refused")}
        for one in found["targets"]
    }
    assert counted == {
        "qwen-plus": {"same": 2, "behavioural": 0, "contract": 1, "refused": 1},
        "ernie-4.5-turbo-128k": {"same": 2, "behavioural": 0, "contract": 1, "refused": 1},
        "glm": {"same": 1, "behavioural": 0, "contract": 2, "refused": 1},
    }
    lost = {(one["target"], one["field"]): one for one in found["losses"]}
    assert lost["glm", "n"]["weight"] == "contract" and lost["glm", "n"]["lines"] == [2]
    assert lost["glm", "tool_choice"]["lines"] == lost["qwen-plus", "tool_choice"]["lines"] == [3]
    assert lost["ernie-4.5-turbo-128k", "temperature"]["why"] == "1.7 became 1.0"
    told = [json.loads(line) for line in rows.read_text().splitlines()]
    assert len(told) == 12
    assert [one["target"] for one in told if one["line"] == 2] == [
        "qwen/qwen-plus", "ernie/ernie-4.5-turbo-128k", "glm/glm-5.3-flash",
    ]  # fmt: skip


def test_what_loses_nothing_that_matters_is_a_yes(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(json.dumps(PLAIN) + "\n" + json.dumps(PLAIN | {"temperature": 1.7}) + "\n")
    done = run("compat", "check", path, "--target", "ernie")
    assert done.exit_code == ending.OK
    assert "1.7 became 1.0" in done.stdout and "facts as of 2026-" in done.stdout


def test_requests_of_other_endpoints_are_read_in_their_dialect(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    lines = [
        {"model": "gpt-4o", "input": "hi", "tools": [{"type": "web_search"}]},
        {"model": "claude-3-5-haiku-latest", "max_tokens": 9, "system": "s", "messages": USER, "top_k": 3},
        {"model": "text-embedding-3-small", "input": ["x"] * 30, "dimensions": 1536},
        {"model": "omni-moderation-latest", "input": "x"},
        {"url": "/v1/images/generations", "body": {"model": "dall-e-3", "prompt": "a gate"}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = json.loads(run("compat", path, "--target", "qwen", "--json").stdout)["data"]
    lost = {(one["field"], one["weight"]) for one in found["losses"]}
    assert ("tools.web_search", "contract") in lost and ("top_k", "behavioural") in lost
    assert any(
        "no endpoint /v1/images/generations" in one["why"] for one in found["losses"] if one["weight"] == "refused"
    )


@pytest.mark.parametrize(("target", "said"), [("qwen-plsu", "did you mean qwen-plus?"), ("nobody/x", "neither")])
def test_a_target_that_nobody_knows_is_refused(run: Any, file: Path, target: str, said: str) -> None:
    done = run("compat", file, "--target", target)
    assert done.exit_code == ending.FAILED and said in done.stderr and target in done.stderr


def test_a_broken_line_is_named(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(json.dumps(PLAIN) + "\n{\n")
    done = run("compat", path, "--target", "glm")
    assert done.exit_code == ending.FAILED and "line 2" in done.stderr


def test_a_file_that_is_not_there_is_a_mistake_of_use(run: Any) -> None:
    assert run("compat", "nothing.jsonl", "--target", "glm").exit_code == ending.USAGE
