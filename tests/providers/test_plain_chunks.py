"""The short way through the normaliser says what the long one says."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.test_payloads import STREAMS, VENDORS, body_of, named

from gapura.clock import TurnableClock, instant
from gapura.errors import UpstreamFailed
from gapura.providers import PROVIDERS
from gapura.providers.normaliser import Normaliser
from gapura.providers.plain_chunks import said

CLOCK = TurnableClock(instant("2026-11-22T12:00:00+00:00"))


def read(provider: str, pieces: list[bytes], *, short: bool) -> tuple[bytes, Any, int, str]:
    """With a vendor's own words to be made OpenAI's, the long way is taken."""
    spoken: Any = {} if short else {"spoken": lambda chunk: chunk}
    reader = Normaliser("m", PROVIDERS[provider].fault, CLOCK, include_usage=True, **spoken)
    out = b""
    try:
        for piece in pieces:
            out += reader.feed(piece)
        out += reader.close()
    except UpstreamFailed as error:
        return out, reader.usage, reader.relayed, error.message
    return out, reader.usage, reader.relayed, ""


@named(STREAMS)
def test_recorded_streams_say_the_same(file: Any) -> None:
    wire, provider = body_of(file), VENDORS[file.parent.name]
    assert read(provider, [wire], short=True) == read(provider, [wire], short=False)


TEXT = st.none() | st.text(max_size=4)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXT,
        "reasoning_content": TEXT,
        "role": st.just("assistant"),
        "refusal": TEXT,
        "tool_calls": st.none() | st.just([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]),
        "more": TEXT,
    },
)
CHOICE = st.fixed_dictionaries(
    {"delta": DELTA},
    optional={
        "index": st.sampled_from([0, 1, "0"]),
        "finish_reason": st.sampled_from([None, "", "stop", "sensitive", "network_error"]),
        "logprobs": st.none() | st.just({"content": []}),
        "flag": st.just(0),
        "is_end": st.booleans(),
    },
)
CHUNK = st.fixed_dictionaries(
    {"id": st.just("c"), "created": st.just(5), "model": st.just("m")},
    optional={
        "choices": st.lists(CHOICE, max_size=2),
        "usage": st.none() | st.just({"prompt_tokens": 1, "completion_tokens": 2}),
        "error": st.none() | st.just({"message": "no", "code": "server_error"}),
        "search_results": st.just([1]),
    },
)


# Nearly all of them: these alone can take the short way.
PLAIN = st.builds(
    lambda index, text, finish: {"id": "c", "choices": [{"index": index, "delta": {"content": text}} | finish]},
    st.sampled_from([0, 0, 1]),
    st.text(max_size=4),
    st.sampled_from([{}, {}, {"finish_reason": "stop"}, {"finish_reason": None}]),
)


@settings(max_examples=300)
@given(chunks=st.lists(PLAIN | CHUNK, max_size=6))
def test_all_streams_say_the_same(chunks: list[Any]) -> None:
    pieces = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks] + [b"data: [DONE]\n\n"]
    assert read("qwen", pieces, short=True) == read("qwen", pieces, short=False)


@pytest.mark.parametrize(
    "delta", [{"content": ""}, {"content": None}, {"content": "a", "reasoning_content": "b"}, {"content": 1}, {}]
)
def test_what_says_nothing_or_two_things_takes_the_long_way(delta: Any) -> None:
    assert said(b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode()) is None
