"""Every payload of a vendor that is at hand goes through the vendor's adapter.

The folder is third-party material and no part of this repository; without it these tests are skipped.
"""

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gapura.errors import UpstreamFailed
from gapura.providers import PROVIDERS
from gapura.providers.faults import OUTCOMES
from gapura.wire.sse import Decoder

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"
VENDORS = {"openai": "openai", "dashscope": "qwen", "baidu": "ernie", "zhipu": "glm"}
FILES = sorted(file for vendor in VENDORS for file in (PAYLOADS / vendor).glob("*") if file.is_file())

pytestmark = pytest.mark.skipif(not FILES, reason="no payloads at hand")

STATUSES = {outcome.status for outcome in OUTCOMES.values()}

# What is expected of those that are known; any other error must still end in the table.
ERRORS = {
    "context_length_exceeded": (400, 400, "context_length_exceeded"),
    "insufficient_quota": (429, 429, "insufficient_quota"),
    "invalid_api_key": (401, 502, "provider_auth_failed"),
    "model_not_found": (404, 404, "model_not_found"),
    "rate_limit_tpm": (429, 429, "rate_limit_exceeded"),
    "unsupported_country": (403, 403, "unsupported_country_region_territory"),
    "unsupported_parameter": (400, 400, "unsupported_parameter"),
    "v2_error_invalid_iam_token": (401, 502, "provider_auth_failed"),
    "v2_error_internal_high_load": (500, 503, "server_is_overloaded"),
    "v2_error_invalid_argument": (400, 400, None),
    "v1_error_high_load": (200, 503, "server_is_overloaded"),
    "v1_error_daily_limit": (200, 429, "insufficient_quota"),
    "data_inspection_failed": (400, 400, "content_policy_violation"),
    "arrearage": (400, 429, "insufficient_quota"),
    "1002": (401, 502, "provider_auth_failed"),
    "1113": (429, 429, "insufficient_quota"),
    "1211": (400, 404, "model_not_found"),
    "1301_anthropic": (400, 400, "content_policy_violation"),
    "1302": (429, 429, "rate_limit_exceeded"),
    "1308": (429, 429, "insufficient_quota"),
    "1310": (429, 429, "insufficient_quota"),
}


def named(files: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", files, ids=lambda file: f"{file.parent.name}/{file.name}")


def body_of(file: Path) -> bytes:
    """The body, without the response head that some captures have."""
    whole = file.read_bytes()
    return whole.partition(b"\n\n")[2] if whole.startswith(b"HTTP/") else whole


def parsed(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def chat(said: Any, part: str) -> bool:
    choices = said.get("choices") if isinstance(said, dict) else None
    return isinstance(choices, list) and any(isinstance(one, dict) and part in one for one in choices)


def chunks_in(wire: bytes) -> list[Any]:
    return [parsed(event.data) for event in Decoder().feed(wire + b"\n\n")]


def content(chunks: list[Any]) -> dict[tuple[int, str], str]:
    """All that was said, by choice and field; of a tool call its arguments."""
    said: dict[tuple[int, str], str] = {}
    for chunk in chunks:
        for choice in chunk.get("choices") or [] if isinstance(chunk, dict) else []:
            delta = choice.get("delta") or {}
            fields = {name: delta.get(name) or "" for name in ("content", "reasoning_content", "refusal")}
            for call in delta.get("tool_calls") or []:
                fields[f"arguments {call['index']}"] = call["function"].get("arguments") or ""
            for name, text in fields.items():
                key = (choice.get("index", 0), name)
                said[key] = said.get(key, "") + text
    return {key: text for key, text in said.items() if text}


def read(provider: str, pieces: list[bytes]) -> tuple[bytes, bool]:
    reader, out = PROVIDERS[provider].reader("m", include_usage=True), b""
    for piece in pieces:
        out += reader.feed(piece)
    try:
        return out + reader.close(), True
    except UpstreamFailed:
        return out, False  # a stream that was recorded only in part


COMPLETIONS = [file for file in FILES if chat(parsed(body_of(file)), "message")]
STREAMS = [file for file in FILES if file.suffix == ".sse" and any(chat(c, "delta") for c in chunks_in(body_of(file)))]
FAILURES = [file for file in FILES if "error" in file.name]


@named(COMPLETIONS)
def test_completions_become_openais(file: Path) -> None:
    body = body_of(file)
    answer, usage = PROVIDERS[VENDORS[file.parent.name]].answer(body, "m")
    said, came = ChatCompletion.model_validate_json(answer), json.loads(body)
    assert [one.message.content or "" for one in said.choices] == [
        one["message"].get("content") or "" for one in came["choices"]
    ]
    assert usage is not None and usage.output == came["usage"]["completion_tokens"]


@named(STREAMS)
def test_streams_become_openais_however_they_are_cut(file: Path) -> None:
    wire, provider, dice = body_of(file), VENDORS[file.parent.name], random.Random(7)
    out, whole = read(provider, [wire])
    assert read(provider, [bytes([byte]) for byte in wire]) == (out, whole)
    for _ in range(20):
        at = sorted(dice.randrange(len(wire)) for _ in range(6))
        pieces = [wire[start:end] for start, end in zip([0, *at], [*at, len(wire)], strict=True)]
        assert read(provider, pieces) == (out, whole)
    *events, last = [event.data for event in Decoder().feed(out)]
    assert (last == "[DONE]") is whole
    said = [json.loads(event) for event in (events if whole else [*events, last])]
    assert content(said) == content(chunks_in(wire))
    for chunk in said:
        ChatCompletionChunk.model_validate(chunk)
    assert len({chunk["id"] for chunk in said}) == 1


@named(FAILURES)
def test_errors_end_in_the_table(file: Path) -> None:
    known = next((known for name, known in ERRORS.items() if name in file.name), None)
    provider = PROVIDERS[VENDORS[file.parent.name]]
    for status in [known[0]] if known else [200, 400, 401, 403, 404, 429, 500]:
        failure = provider.fault(status, (), body_of(file))
        assert failure.status in STATUSES
        if known:
            assert (failure.status, failure.code) == known[1:]


@named(FILES)
def test_whatever_it_is_only_upstream_failures_come_out(file: Path) -> None:
    body = body_of(file)
    for provider in PROVIDERS.values():
        assert provider.fault(400, (), body).status in STATUSES
        with suppress(UpstreamFailed):
            reader = provider.reader("m", include_usage=False)
            assert (reader.feed(body) + reader.close()).endswith(b"data: [DONE]\n\n")
        with suppress(UpstreamFailed):
            assert json.loads(provider.answer(body, "m")[0])["choices"]
