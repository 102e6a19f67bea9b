"""Servers that speak OpenAI's API: what they do otherwise is data."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from gapura.providers.compatible import servers
from gapura.providers.kinds import provider
from gapura.wire import openai

HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Halo"}]}


def translate(kind: str, change: dict[str, Any], **quirks: Any) -> tuple[dict[str, Any], dict[str, str]]:
    body = json.dumps(HELLO | change).encode()
    done = provider("mine", kind, quirks).translate(body, openai.read(body), "m", None)
    return json.loads(done.body), {loss.field: loss.weight for loss in done.losses}


def test_what_is_not_said_is_sent_as_it_came() -> None:
    change = {"n": 2, "seed": 3, "logit_bias": {"5": 1}, "guided_regex": "a+", "stop": ["a"], "max_tokens": 5}
    assert translate("compatible", change) == (HELLO | change, {})


def test_openais_own_business_goes_nowhere_else() -> None:
    sent, lost = translate("compatible", {"store": True, "service_tier": "flex"})
    assert sent == HELLO and lost == {"store": "cosmetic", "service_tier": "cosmetic"}


@pytest.mark.parametrize(
    ("kind", "change", "sent", "lost"),
    [
        ("deepseek", {"user": "u"}, {"user_id": "u"}, {}),
        ("deepseek", {"n": 2}, {}, {"n": "contract"}),
        ("deepseek", {"n": 1}, {}, {}),
        ("deepseek", {"reasoning_effort": "high"}, {"reasoning_effort": "high"}, {}),
        (
            "deepseek",
            {"reasoning_effort": "low"},
            {"thinking": {"type": "enabled"}},
            {"reasoning_effort": "behavioural"},
        ),
        ("moonshot", {"max_tokens": 5}, {"max_completion_tokens": 5}, {}),
        ("moonshot", {"temperature": 0.2}, {}, {"temperature": "behavioural"}),
        ("moonshot", {"temperature": 1}, {}, {}),
        ("moonshot", {"stop": list("abcdef")}, {"stop": list("abcde")}, {"stop": "contract"}),
        ("gemini", {"top_k": 3}, {}, {"top_k": "behavioural"}),
        ("vllm", {"enable_thinking": False}, {"chat_template_kwargs": {"enable_thinking": False}}, {}),
        ("vllm", {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}, {}),
        ("ollama", {"n": 3}, {}, {"n": "contract"}),
    ],
)
def test_the_quirks_of_those_that_are_known(
    kind: str, change: dict[str, Any], sent: dict[str, Any], lost: dict[str, str]
) -> None:
    assert translate(kind, change) == (HELLO | sent, lost)


def test_a_schema_that_a_server_has_not_is_seen_to_here() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    asked = {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}}
    sent, lost = translate("deepseek", asked)
    assert sent["response_format"] == {"type": "json_object"} and lost == {"response_format": "behavioural"}
    assert [one["role"] for one in sent["messages"]] == ["system", "user"]
    assert translate("deepseek", asked | {"stream": True})[1] == {"response_format": "contract"}
    assert translate("vllm", asked) == (HELLO | asked, {})


def test_quirks_of_the_operators_come_on_top() -> None:
    quirks = {"stream_usage": False, "developer": "developer", "fields": {"seed": "behavioural", "n": {"values": [1]}}}
    change = {"messages": [{"role": "developer", "content": "Halo"}], "stream": True, "seed": 1, "n": 2}
    sent, lost = translate("deepseek", change, **quirks)
    assert sent == {"model": "m", "messages": change["messages"], "stream": True}
    assert lost == {"seed": "behavioural", "n": "behavioural"}
    assert "logit_bias" in translate("deepseek", {"logit_bias": {"1": 1}}, **quirks)[1]


def test_forced_tools_are_lost_where_a_server_has_none() -> None:
    change = {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}], "tool_choice": "required"}
    sent, lost = translate("moonshot", change)
    assert "tool_choice" not in sent and lost == {"tool_choice": "contract"}
    assert translate("vllm", change) == (HELLO | change, {})


@pytest.mark.parametrize("kind", servers())
def test_reasoning_under_its_other_name_is_the_same(kind: str) -> None:
    message = {"role": "assistant", "content": "Halo", "reasoning": "Hm."}
    body = {"id": "1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    answer, _ = provider("mine", kind).answer(json.dumps(body).encode(), "m")
    said = ChatCompletion.model_validate_json(answer)
    assert said.choices[0].message.model_extra == {"reasoning_content": "Hm."}


def test_gemini_says_that_a_place_is_not_served() -> None:
    error = {"code": 400, "message": "User location is not supported for the API use.", "status": "FAILED_PRECONDITION"}
    body = json.dumps([{"error": error}]).encode()
    failure = provider("gemini").fault(400, (), body)
    assert (failure.status, failure.code, failure.should_retry, failure.trips) == (
        403,
        "unsupported_country_region_territory",
        False,
        False,
    )
