"""Every field of every endpoint: it is in its table, and of a request each is sent or is in the losses."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, get_type_hints

import pytest
from anthropic.types import message_create_params
from hypothesis import given
from hypothesis import strategies as st
from openai.types import completion_create_params, embedding_create_params, moderation_create_params
from openai.types.responses import response_create_params

from gapura.errors import BadRequest
from gapura.wire import completions, embeddings, messages, moderation, responses
from gapura.wire.dialect import Carried
from gapura.wire.fates import Line
from gapura.wire.messages import request as messages_request
from gapura.wire.responses import request as responses_request


class Case(NamedTuple):
    """`least`: a request with what it must have.  `told`: of each field that is translated or degraded, a value and
    what must stand in the chat request for it."""

    carry: Callable[[bytes], Carried]
    fields: Mapping[str, Line]
    least: dict[str, Any]
    told: dict[str, tuple[Any, str]]


FUNCTION: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
SCHEMA = {"type": "json_schema", "name": "a", "schema": FUNCTION}

CASES = {
    "responses": Case(
        responses_request.Carried,
        responses_request.FIELDS,
        {"model": "m", "input": "Halo"},
        {
            "input": ([{"role": "user", "content": "Apa kabar"}], "Apa kabar"),
            "instructions": ("Be brief.", "Be brief."),
            "max_output_tokens": (77, '"max_completion_tokens":77'),
            "text": ({"format": SCHEMA, "verbosity": "low"}, '"verbosity":"low"'),
            "reasoning": ({"effort": "high", "summary": "auto"}, '"reasoning_effort":"high"'),
            "tools": ([{"type": "function", "name": "weather", "parameters": FUNCTION}], '"name":"weather"'),
            "tool_choice": ("required", '"tool_choice":"required"'),
            "top_logprobs": (3, '"top_logprobs":3'),
            "include": (["message.output_text.logprobs"], '"logprobs":true'),
            "metadata": ({"a": "b"}, ""),  # stands in the answer: test_responses
        },
    ),
    "messages": Case(
        messages_request.Carried,
        messages_request.FIELDS,
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Halo"}]},
        {
            "messages": ([{"role": "user", "content": "Apa kabar"}], "Apa kabar"),
            "system": ([{"type": "text", "text": "Be brief."}], "Be brief."),
            "max_tokens": (77, '"max_completion_tokens":77'),
            "stop_sequences": (["END"], '"stop":["END"]'),
            "tools": ([{"name": "weather", "input_schema": FUNCTION}], '"name":"weather"'),
            "tool_choice": ({"type": "any"}, '"tool_choice":"required"'),
            "metadata": ({"user_id": "u-1"}, '"user":"u-1"'),
            "thinking": ({"type": "enabled", "budget_tokens": 20_000}, '"reasoning_effort":"high"'),
            "output_config": ({"effort": "low"}, '"reasoning_effort":"low"'),
            "output_format": ({"type": "json_schema", "schema": FUNCTION}, '"json_schema"'),
        },
    ),
    "completions": Case(
        completions.Carried,
        completions.FIELDS,
        {"model": "m", "prompt": "Halo"},
        {
            "prompt": ("Apa kabar", "Apa kabar"),
            "max_tokens": (77, '"max_completion_tokens":77'),
            "logprobs": (2, '"top_logprobs":2'),
            "echo": (True, ""),  # stands in the answer
            "stream_options": ({"include_usage": True}, ""),  # at the end of the stream
        },
    ),
}

PUBLISHED = {
    "responses": (response_create_params.ResponseCreateParamsBase, responses_request.FIELDS),
    "messages": (message_create_params.MessageCreateParamsBase, messages_request.FIELDS),
    "completions": (completion_create_params.CompletionCreateParamsBase, completions.FIELDS),
    "embeddings": (embedding_create_params.EmbeddingCreateParams, embeddings.FIELDS),
    "moderation": (moderation_create_params.ModerationCreateParams, moderation.FIELDS),
}

DIALECTS = {
    "responses": responses.RESPONSES,
    "messages": messages.MESSAGES,
    "completions": completions.COMPLETIONS,
}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_table_has_every_parameter_that_the_sdk_has(name: str) -> None:
    params, fields = PUBLISHED[name]
    assert get_type_hints(params).keys() - fields.keys() == set()


@pytest.mark.parametrize("name", CASES)
def test_what_is_translated_is_told(name: str) -> None:
    case = CASES[name]
    assert case.told.keys() == {field for field, line in case.fields.items() if line.fate in {"translated", "degraded"}}
    for field, (value, found) in case.told.items():
        tools = {"tools": case.told["tools"][0]} if field == "tool_choice" else {}
        carried = case.carry(json.dumps(case.least | tools | {field: value}).encode())
        assert found in carried.body.decode(), field


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_every_field_is_sent_or_is_lost(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    names = st.sampled_from(sorted(case.fields)) | st.text(max_size=8)
    given = case.least | data.draw(st.dictionaries(names, VALUES, max_size=6))
    sent = json.dumps(given).encode()
    try:
        DIALECTS[name].read(sent)
        carried = case.carry(sent)
    except BadRequest:
        return
    body, lost = json.loads(carried.body), {loss.field for loss in carried.losses}
    for field, value in given.items():
        line = case.fields.get(field)
        if value is None or (line and line.fate in {"translated", "degraded"}):
            continue
        if line and line.fate == "honoured":
            assert body[field] == value
        elif not line or value not in line.nothing:
            assert field in lost
        weight = {loss.weight for loss in carried.losses if loss.field == field}
        assert not (line and line.fate == "refused" and weight - {"contract"})


@pytest.mark.parametrize("name", CASES)
@given(body=st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_only_a_bad_request_comes_of_it(name: str, body: bytes) -> None:
    with suppress(BadRequest):
        DIALECTS[name].read(body)
        CASES[name].carry(body)
