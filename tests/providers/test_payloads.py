"""Every payload of a vendor that is at hand goes through the vendor's adapter: requests out, answers and streams in, at
every cut, and errors.

The folder is third-party material and no part of this repository; without it these tests are skipped.
"""

import json
import random
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gapura.errors import UpstreamFailed
from gapura.providers import PROVIDERS
from gapura.providers.base import Provider
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


def native(said: Any) -> bool:
    """Whether it is DashScope's own form."""
    return isinstance(said, dict) and isinstance(output := said.get("output"), dict) and bool({*output} & WORDS)


WORDS = {"choices", "text"}


def vendor(file: Path, *said: Any) -> str:
    """The provider whose bytes these are."""
    return "dashscope" if any(native(one) for one in said) else VENDORS[file.parent.name]


CREATED = re.compile(rb'"created":\d+')


def read(provider: str, pieces: list[bytes]) -> tuple[bytes, bool]:
    """What comes out, at whatever second."""
    reader, out = PROVIDERS[provider].reader("m", include_usage=True), b""
    for piece in pieces:
        out += reader.feed(piece)
    try:
        out, whole = out + reader.close(), True
    except UpstreamFailed:
        whole = False  # a stream that was recorded only in part
    return CREATED.sub(b'"created":1', out), whole


PARSED = {file: parsed(body_of(file)) for file in FILES}
EVENTS = {file: chunks_in(body_of(file)) for file in FILES}
COMPLETIONS = [file for file, said in PARSED.items() if chat(said, "message") or native(said)]
STREAMS = [file for file, said in EVENTS.items() if any(chat(one, "delta") or native(one) for one in said)]
FAILURES = [file for file in FILES if "error" in file.name]


def words(said: Any) -> str:
    """What an answer says, in whatever form."""
    if native(said):
        output = said["output"]
        said = {"choices": output.get("choices") or [{"message": {"content": output.get("text")}}]}
    found = [one["message"].get("content") or "" for one in said["choices"]]
    return "".join("".join(part.get("text", "") for part in one) if isinstance(one, list) else one for one in found)


@named(COMPLETIONS)
def test_completions_become_openais(file: Path) -> None:
    came = PARSED[file]
    answer, usage = PROVIDERS[vendor(file, came)].answer(body_of(file), "m")
    said = ChatCompletion.model_validate_json(answer, strict=True)
    assert "".join(one.message.content or "" for one in said.choices) == words(came)
    spent = came.get("usage") or {}
    wanted = spent.get("completion_tokens", spent.get("output_tokens"))
    assert wanted is None or (usage is not None and usage.output == wanted)


def spoken(chunks: list[Any]) -> dict[tuple[int, str], str]:
    """As `content`, also of frames in DashScope's own form."""
    made = [
        {"choices": [{"delta": flat(one.get("message") or {})} for one in chunk["output"].get("choices") or []]}
        if native(chunk)
        else chunk
        for chunk in chunks
    ]
    return content(made)


def flat(message: dict[str, Any]) -> dict[str, Any]:
    said = message.get("content")
    return message | {"content": "".join(part.get("text", "") for part in said)} if isinstance(said, list) else message


@named(STREAMS)
def test_streams_become_openais_however_they_are_cut(file: Path) -> None:
    wire, dice = body_of(file).rstrip(b"\n") + b"\n\n", random.Random(7)
    provider = vendor(file, *EVENTS[file])
    out, whole = read(provider, [wire])
    assert read(provider, [bytes([byte]) for byte in wire]) == (out, whole)
    for at in range(0, len(wire), max(1, len(wire) // 400)):
        assert read(provider, [wire[:at], wire[at:]]) == (out, whole)
    for _ in range(20):
        cuts = sorted(dice.randrange(len(wire)) for _ in range(6))
        pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
        assert read(provider, pieces) == (out, whole)
    events = [event.data for event in Decoder().feed(out)]
    assert (events[-1:] == ["[DONE]"]) is whole
    said = [json.loads(event) for event in events if event != "[DONE]"]
    parts = [line for one in Decoder().feed(wire + b"\n\n") for line in one.data.split("\n")]
    assert content(said) == spoken([parsed(part) for part in parts])
    for chunk in said:
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)
    assert len({chunk["id"] for chunk in said}) <= 1


@named(FAILURES)
def test_errors_end_in_the_table(file: Path) -> None:
    known = next((known for name, known in ERRORS.items() if name in file.name), None)
    for name in {VENDORS[file.parent.name], vendor(file)} | (
        {"dashscope"} if file.parent.name == "dashscope" else set()
    ):
        for status in [known[0]] if known else [200, 400, 401, 403, 404, 429, 500]:
            failure = PROVIDERS[name].fault(status, (), body_of(file))
            assert failure.status in STATUSES
            if known:
                assert (failure.status, failure.code) == known[1:]


def read_whole(provider: Provider, wire: bytes) -> bytes:
    reader = provider.reader("m", include_usage=True)
    return reader.feed(wire) + reader.close()


# An error that is no answer must be one wherever it comes: as a body, and in the place of a stream.
@named([file for file in FAILURES if isinstance(PARSED[file], dict) and "data" not in PARSED[file]])
def test_an_error_is_never_an_answer(file: Path) -> None:
    names = ["qwen", "dashscope"] if file.parent.name == "dashscope" else [VENDORS[file.parent.name]]
    for provider in [PROVIDERS[name] for name in names]:
        with pytest.raises(UpstreamFailed):
            provider.answer(body_of(file), "m")
        with pytest.raises(UpstreamFailed):
            read_whole(provider, body_of(file))


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
        for kind in ("embeddings", "rerank", "moderation"):
            if (operation := provider.operation(kind)) is not None:
                with suppress(UpstreamFailed):
                    operation.answer(body, "m")
