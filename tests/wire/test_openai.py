"""Requests in and errors out, as OpenAI's own SDKs send and read them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.errors import BadRequest, GapuraError, LimitReached, QuotaSpent, RegionBlocked
from gapura.wire import openai

HELLO: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Halo"}]}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "Halo"}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"n": 129}, "n"),
    ],
)
def test_a_malformed_field_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        openai.read(json.dumps(HELLO | change).encode())
    assert (caught.value.param, caught.value.status) == (param, 400)
    assert param.rpartition(".")[2] in caught.value.message


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"model":"\xff","messages":[1]}', b"[" * 100_000]
)
def test_what_is_not_json_is_said_to_be_so(body: bytes) -> None:
    with pytest.raises(BadRequest, match="body"):
        openai.read(body)


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(BadRequest, match=f"provide a {missing}"):
        openai.read(json.dumps({name: value for name, value in HELLO.items() if name != missing}).encode())


def parts(body: bytes) -> dict[str, bytes]:
    return {name: bytes(raw) for name, raw in openai.fields(body).items()}


@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.floats() | st.integers() | st.text(), st.lists), min_size=1)
)
def test_splice_leaves_the_bytes_of_other_fields_alone(document: dict[str, Any]) -> None:
    body = msgspec.json.encode(document)
    before = parts(body)
    after = parts(openai.splice(body, {"model": "qwen-plus", "stream": None}))
    assert after.pop("model") == b'"qwen-plus"'
    before.pop("model", None)
    before.pop("stream", None)
    assert after == before


def test_the_region_refusal_is_openais_byte_for_byte() -> None:
    reply = openai.render(RegionBlocked())
    assert reply.status == 403
    assert reply.body == (
        b'{"error":{"code":"unsupported_country_region_territory",'
        b'"message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}'
    )


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (LimitReached("Too many.", retry_after=2.4), 429, (b"retry-after", b"3")),
        (QuotaSpent("Nothing left."), 429, (b"x-should-retry", b"false")),
        (BadRequest("Odd.", param="n"), 400, None),
    ],
)
def test_errors_tell_clients_whether_to_try_again(
    error: GapuraError, status: int, header: tuple[bytes, bytes] | None
) -> None:
    reply = openai.render(error)
    assert reply.status == status
    assert header is None or header in reply.headers
    assert list(json.loads(reply.body)["error"]) == ["message", "type", "param", "code"]
    assert openai.render_event(error) == b"data: " + reply.body + b"\n\n"
