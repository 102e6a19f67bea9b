"""What is known of models, and what does the work of one that is gone."""

import json
from pathlib import Path
from typing import Any

import pytest

from gapura.cli import ending


@pytest.fixture(autouse=True)
def providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lost OpenAI has Qwen and GLM."""
    for stem in ("DASHSCOPE", "ZHIPUAI"):
        monkeypatch.setenv(f"{stem}_API_KEY", "id.secret")
    (tmp_path / "gapura.toml").write_text("policies = []\n")


def data(result: Any) -> Any:
    return json.loads(result.stdout)["data"]


def test_a_list_says_what_can_be_asked_for_here(run: Any) -> None:
    told = run("model", "list", "--provider", "glm").stdout
    assert "glm-4.6" in told and "qwen-plus" not in told and "as of 2026-" in told
    items = {(one["provider"], one["name"]): one for one in data(run("model", "list", "--json"))["items"]}
    assert items["glm", "glm-4.6"]["served"] and not items["openai", "gpt-4o"]["served"]
    assert not items["qwen", "qwen3*"]["served"], "a family is no model"


def test_a_list_can_be_narrowed(run: Any) -> None:
    kinds = {one["facts"]["kind"] for one in data(run("model", "list", "--kind", "embedding", "--json"))["items"]}
    assert kinds == {"embedding"}
    living = {one["name"] for one in data(run("model", "list", "--living", "--json"))["items"]}
    assert "gpt-4o" in living and "gpt-3.5-turbo" not in living
    nobody = run("model", "list", "--provider", "qwne")
    assert nobody.exit_code == ending.FAILED and "did you mean qwen?" in nobody.stderr


def test_a_model_that_is_gone_shows_who_answers_for_it(run: Any) -> None:
    found = data(run("model", "show", "gpt-3.5-turbo", "--json"))
    assert found["served_by"] == ["qwen/qwen-flash", "glm/glm-5.3-flash"]
    assert "is not served here" in found["stands_in"]
    assert [(one["provider"], one["facts"]["shut_down"]) for one in found["items"]] == [("openai", "2026-10-23")]
    told = run("model", "show", "gpt-3.5-turbo").stdout
    assert "2026-10-23" in told and "qwen-flash" in told and "ernie-4.5-turbo-128k" in told


def test_a_model_of_one_provider(run: Any) -> None:
    assert data(run("model", "show", "qwen/qwen-plus", "--json"))["served_by"] == ["qwen/qwen-plus"]
    missing = run("model", "show", "qwen-plsu")
    assert missing.exit_code == ending.FAILED and "did you mean qwen-plus?" in missing.stderr


def test_names_are_mapped_and_what_falls_short_is_said(run: Any) -> None:
    found = data(run("model", "map", "gpt-4o", "text-embedding-3-large", "--to", "qwen,ernie", "--json"))
    by = {(one["name"], one["provider"]): one for one in found["items"]}
    assert by["gpt-4o", "qwen"]["model"] == "qwen3.7-plus" and by["gpt-4o", "qwen"]["served"]
    assert by["gpt-4o", "ernie"]["others"] == ["ernie-4.5-turbo-128k"] and not by["gpt-4o", "ernie"]["served"]
    moved = by["text-embedding-3-large", "qwen"]["differs"]
    assert any(one.startswith("dimensions: ") and one.endswith("instead of 3072") for one in moved)
    assert "space: stored vectors must be made anew" in moved
    vision = data(run("model", "map", "gpt-4-vision-preview", "--to", "glm", "--json"))["items"][0]
    assert vision["model"] == "glm-5v-turbo"


def test_a_text_is_counted_as_each_vendor_would(run: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("你好，世界。" * 100)
    items = {one["provider"]: one for one in data(run("model", "tokens", "text.txt", "--json"))["items"]}
    assert items["qwen"]["calibrated"] and not items["ernie"]["calibrated"]
    for one in items.values():
        assert 0 < one["low"] < one["estimate"] < one["high"]


def test_a_name_without_a_counterpart_is_an_answer_of_no(run: Any) -> None:
    result = run("model", "map", "gpt-4o", "somebody-s-own")
    assert result.exit_code == ending.NO
    assert "no counterpart of somebody-s-own is known" in result.stderr and "qwen3.7-plus" in result.stdout
