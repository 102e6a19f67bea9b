"""Recorded requests are read as they are written down."""

import json
from pathlib import Path
from typing import Any

import pytest

from gapura.compat.requests import BadLine, read

USER = [{"role": "user", "content": "hi"}]


def written(path: Path, *lines: Any) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("line", "endpoint", "model"),
    [
        ({"model": "gpt-4o", "messages": USER}, "/v1/chat/completions", "gpt-4o"),
        ({"url": "/v1/embeddings", "body": {"model": "e", "input": "x"}}, "/v1/embeddings", "e"),
        ({"url": "/v4/chat/completions", "body": {"model": "g", "messages": USER}}, "/v1/chat/completions", "g"),
        ({"url": "https://api.openai.com/v1/responses?x=1", "body": {"input": "x"}}, "/v1/responses", ""),
        ({"endpoint": "chat/completions", "request": {"model": "m"}}, "/v1/chat/completions", "m"),
        ({"model": "gpt-4o", "input": "x"}, "/v1/responses", "gpt-4o"),
        ({"model": "text-embedding-3-small", "input": ["x"]}, "/v1/embeddings", "text-embedding-3-small"),
        ({"model": "own", "input": ["x"], "dimensions": 64}, "/v1/embeddings", "own"),
        ({"model": "omni-moderation-latest", "input": "x"}, "/v1/moderations", "omni-moderation-latest"),
        ({"model": "c", "messages": USER, "max_tokens": 9, "system": "s"}, "/v1/messages", "c"),
        ({"model": "i", "prompt": "x"}, "/v1/completions", "i"),
        ({"model": "r", "query": "q", "documents": []}, "/v1/rerank", "r"),
        ({"messages": USER, "model": 7}, "/v1/chat/completions", ""),
    ],
)
def test_a_line_is_a_body_or_has_one(line: Any, endpoint: str, model: str, tmp_path: Path) -> None:
    (found,) = read(written(tmp_path / "r.jsonl", line))
    assert (found.line, found.endpoint, found.model) == (1, endpoint, model)


def test_what_windows_puts_before_a_file_is_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"messages": USER}).encode() + b"\r\n")
    assert [one.line for one in read(path)] == [1]


def test_empty_lines_count_and_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", {"messages": USER}, "", "  ", {"messages": USER})
    assert [one.line for one in read(path)] == [1, 4]


@pytest.mark.parametrize(
    ("line", "said"),
    [("{", "not JSON"), ("[]", "expected an object"), ('{"body": 3}', "body is no object"), ("\\xff", "not JSON")],
)
def test_a_line_that_is_none_is_named(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadLine, match=rf"line 2: .*{said}"):
        list(read(written(tmp_path / "r.jsonl", {"messages": USER}, line)))
