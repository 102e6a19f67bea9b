"""What holds for every vendor of tables: each field ends in the body or in the losses, and bad ones are named."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapura.errors import BadRequest
from gapura.providers import PROVIDERS, catalogue
from gapura.providers.vendor import Vendor
from gapura.wire import openai

VENDORS = [vendor for vendor in PROVIDERS.values() if isinstance(vendor, Vendor)]
MODELS = [
    (vendor, name)
    for vendor in VENDORS
    for name in catalogue.catalogue().vendors[vendor.facts or vendor.name].models
    if catalogue.model(vendor.facts or vendor.name, name).kind == "chat"
]
HELLO: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Halo"}]}


def translate(
    vendor: Vendor, model: str, change: dict[str, Any], cap: int | None = None
) -> tuple[dict[str, Any], set[str]]:
    body = json.dumps(HELLO | change).encode()
    done = vendor.translate(body, openai.read(body), model, cap)
    sent = json.loads(done.body)
    return sent | sent.get("input", {}) | sent.get("parameters", {}), {loss.field for loss in done.losses}


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": [1]}, "top_p"),
        ({"stop": [{}]}, "stop[0]"),
        ({"stop": 1}, "stop"),
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{"type": 1}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"functions": [1]}, "functions[0]"),
        ({"reasoning_effort": 1}, "reasoning_effort"),
        ({"enable_thinking": "yes"}, "enable_thinking"),
        ({"thinking": True}, "thinking"),
        ({"messages": ["Halo"]}, "messages[0]"),
        ({"messages": [{"content": "Halo"}]}, "messages[0].role"),
        ({"messages": [{"role": "king", "content": "Halo"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["Halo"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "Halo"}]}]}, "messages[0].content[0]"),
    ],
)
def test_a_bad_field_is_named(vendor: Vendor, change: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        translate(vendor, "m", change)
    assert caught.value.param == param
    assert param in caught.value.message


VALUES: dict[str, Any] = {
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "n": st.integers(2, 9),
    "stop": st.just(["a", "b"]) | st.just("a"),
    "seed": st.integers(-(2**40), 2**40),
    "presence_penalty": st.floats(0.1, 2),
    "frequency_penalty": st.floats(0.1, 2),
    "logprobs": st.just(True),
    "top_logprobs": st.integers(1, 20),
    "logit_bias": st.just({"5": 1}),
    "user": st.text(),
    "response_format": st.sampled_from([{"type": "json_object"}, {"type": "json_schema", "json_schema": {}}]),
    "tools": st.just([{"type": "custom", "custom": {}}, {"type": "function", "function": {"name": "f"}}]),
    "reasoning_effort": st.sampled_from(["low", "high"]),
    "verbosity": st.just("low"),
    "audio": st.just({}),
    "store": st.just(True),
    "max_tokens": st.integers(1, 10**6),
    "max_completion_tokens": st.integers(1, 10**6),
    "kuda": st.just(1),
}

# Where a field goes under another name, or is said by another one.
AS = {
    "temperature": {"do_sample"},
    "user": {"user_id", "metadata"},
    "stop": {"stop_sequences"},
    "response_format": {"output_config"},
    "max_tokens": {"max_completion_tokens"},
    "max_completion_tokens": {"max_tokens"},
    "reasoning_effort": {"enable_thinking", "thinking"},
}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MODELS), st.fixed_dictionaries({}, optional=VALUES), st.none() | st.integers(1, 500))
def test_every_field_ends_in_the_body_or_in_the_losses(
    target: tuple[Vendor, str], change: dict[str, Any], cap: int | None
) -> None:
    vendor, model = target
    body, lost = translate(vendor, model, change, cap)
    said = set(body) | lost
    for name in change:
        assert ({name} | AS.get(name, set())) & said, f"{name} disappeared"
    limits = [body[name] for name in ("max_tokens", "max_completion_tokens") if name in body]
    asked = [change[name] for name in ("max_tokens", "max_completion_tokens") if name in change]
    most = min([*asked, *([cap] if cap else [])], default=None)
    assert len(limits) == (most is not None or vendor.name == "anthropic")
    assert most is None or limits[0] + (body.get("thinking_budget", 0) if vendor.name == "dashscope" else 0) <= most + 1
    assert "kuda" not in body


@pytest.mark.parametrize(("vendor", "model"), MODELS, ids=lambda part: part.name if isinstance(part, Vendor) else part)
def test_who_did_not_ask_for_reasoning_does_not_pay_for_it(vendor: Vendor, model: str) -> None:
    body, _ = translate(vendor, model, {})
    off = body.get("enable_thinking") is False or body.get("thinking") == {"type": "disabled"}
    assert off == (catalogue.model(vendor.facts or vendor.name, model).thinks == "default")
