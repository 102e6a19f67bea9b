"""The short way to an answer of the usual kind says what the long one says."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapura.clock import TurnableClock
from gapura.errors import UpstreamFailed
from gapura.providers.answers import normalise
from gapura.providers.plain_answers import said
from gapura.providers.qwen import QWEN

PLAIN = {
    "id": "c",
    "object": "chat.completion",
    "created": 5,
    "model": "m-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Ya"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def told(body: bytes, *, short: bool) -> Any:
    """With a vendor's own words to be made OpenAI's, the long way is taken."""
    spoken: Any = () if short else (lambda answer: answer,)
    try:
        return normalise(body, "m", QWEN.fault, TurnableClock(0), *spoken)
    except UpstreamFailed as error:
        return error.message


COUNT = st.sampled_from([0, 1, 7, -1, 100_000_001, None, 2.0, True, "3"])
DETAILS = st.none() | st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens", "text_tokens"]), COUNT)
USAGE = st.fixed_dictionaries(
    {"prompt_tokens": COUNT, "completion_tokens": COUNT},
    optional={
        "total_tokens": COUNT,
        "prompt_tokens_details": DETAILS,
        "completion_tokens_details": DETAILS,
        "prompt_cache_hit_tokens": COUNT,
        "input_tokens": COUNT,
    },
)
TEXT = st.none() | st.text(max_size=3)
MESSAGE = st.fixed_dictionaries(
    {"content": TEXT | st.just([{"text": "a"}])},
    optional={
        "role": st.just("assistant"),
        "reasoning_content": TEXT,
        "reasoning": TEXT,
        "refusal": TEXT,
        "tool_calls": st.sampled_from([None, [], [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]]),
        "function_call": st.none(),
        "thinking_blocks": st.just([{"type": "thinking"}]),
    },
)
CHOICE = st.fixed_dictionaries(
    {"message": MESSAGE},
    optional={
        "index": st.sampled_from([0, 1, "0"]),
        "finish_reason": st.sampled_from([None, "", "stop", "length", "sensitive", "content_filter", "network_error"]),
        "logprobs": st.none() | st.just({"content": []}),
        "flag": st.sampled_from([0, 1]),
        "need_clear_history": st.booleans(),
    },
)
ANSWER = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["c", "", None]),
        "created": st.sampled_from([5, 0, None, "5"]),
        "model": st.sampled_from(["m", "", None]),
        "choices": st.lists(CHOICE, max_size=2),
        "usage": st.none() | USAGE,
        "system_fingerprint": TEXT,
        "request_id": st.just("r"),
        "search_results": st.just([1]),
        "error": st.none() | st.just({"message": "no", "code": "server_error"}),
    },
)


# Nearly the usual answer: these alone can take the short way.
USUAL = st.builds(
    lambda message, usage, choice, more: (
        {
            **PLAIN,
            "choices": [{"message": {"content": "Ya"} | message, "finish_reason": "stop"} | choice],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2} | usage,
        }
        | more
    ),
    st.fixed_dictionaries({}, optional={"reasoning_content": TEXT, "refusal": TEXT, "content": TEXT}),
    st.fixed_dictionaries({}, optional={"prompt_tokens_details": DETAILS, "completion_tokens_details": DETAILS}),
    st.fixed_dictionaries(
        {}, optional={"index": st.sampled_from([0, 1]), "finish_reason": st.just("length"), "flag": st.just(1)}
    ),
    st.fixed_dictionaries({}, optional={"system_fingerprint": TEXT, "service_tier": TEXT}),
)


@settings(max_examples=300)
@given(answer=USUAL | ANSWER)
def test_all_answers_say_the_same(answer: Any) -> None:
    body = json.dumps(answer).encode()
    assert told(body, short=True) == told(body, short=False)


def test_the_usual_answer_takes_the_short_way() -> None:
    assert said(json.dumps(PLAIN).encode()) is not None


@pytest.mark.parametrize("without", ["id", "created", "model", "choices", "usage"])
def test_what_has_to_be_made_up_takes_the_long_way(without: str) -> None:
    assert said(json.dumps({name: value for name, value in PLAIN.items() if name != without}).encode()) is None
