"""Pass-through: what need not change does not."""

import json
from typing import Any

import pytest

from gapura.errors import UpstreamFailed
from gapura.providers.openai import OPENAI
from gapura.wire import openai

HELLO: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Halo"}], "x": {"y": 1.50}}


def sent(model: str = "gpt-4o-mini", cap: int | None = None, **change: Any) -> dict[str, Any]:
    body = json.dumps(HELLO | change).encode()
    done: dict[str, Any] = json.loads(OPENAI.translate(body, openai.read(body), model, cap).body)
    return {name: value for name, value in done.items() if name not in HELLO or name == "model"}


@pytest.mark.parametrize(
    "change",
    [
        b"",
        b',"stream":false',
        b',"stream":true,"stream_options":{"include_usage":true}',
        b',"max_tokens":64',
        b',"max_completion_tokens":10',
    ],
)
def test_the_very_same_bytes_where_nothing_changes(change: bytes) -> None:
    body = b'{ "model" : "gpt-4o-mini","messages":[{"role":"user","content":"Halo"}], "t":0.70' + change + b"}"
    cap = 64 if b"max" in change else None
    assert OPENAI.translate(body, openai.read(body), "gpt-4o-mini", cap).body is body


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (sent("gpt-4o"), {"model": "gpt-4o"}),
        (sent(stream=True), {"model": "gpt-4o-mini", "stream": True, "stream_options": {"include_usage": True}}),
        (
            sent(stream=True, stream_options={"include_usage": False, "include_obfuscation": False}),
            {
                "model": "gpt-4o-mini",
                "stream": True,
                "stream_options": {"include_usage": True, "include_obfuscation": False},
            },
        ),
        (sent(cap=5), {"model": "gpt-4o-mini", "max_completion_tokens": 5}),
        (sent(cap=5, max_tokens=9), {"model": "gpt-4o-mini", "max_tokens": 5}),
        (sent(cap=5, max_completion_tokens=9), {"model": "gpt-4o-mini", "max_completion_tokens": 5}),
        (
            sent(cap=5, max_completion_tokens=9, max_tokens=7),
            {"model": "gpt-4o-mini", "max_tokens": 5, "max_completion_tokens": 5},
        ),
        (sent("o3", max_tokens=9), {"model": "o3", "max_completion_tokens": 9}),
        (sent("o3", cap=5, max_tokens=9), {"model": "o3", "max_completion_tokens": 5}),
    ],
)
def test_only_three_fields_are_spliced(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert given == expected


def test_a_caller_who_names_the_model_gets_that_models_own_refusal() -> None:
    body = json.dumps(HELLO | {"model": "o3", "max_tokens": 9}).encode()
    assert OPENAI.translate(body, openai.read(body), "o3", None).body is body


def test_an_answer_is_handed_on_as_it_came() -> None:
    body = b'{"choices":[{"message":{"content":"Halo"}}], "usage":{"prompt_tokens":3,"completion_tokens":2}}'
    answer, usage = OPENAI.answer(body, "m")
    assert answer is body
    assert usage is not None and (usage.input, usage.output) == (3, 2)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"choices":null}', b'{"choices":[]}', b"[" * 9999])
def test_garbage_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        OPENAI.answer(body, "m")
    assert (caught.value.status, caught.value.trips) == (502, True)
