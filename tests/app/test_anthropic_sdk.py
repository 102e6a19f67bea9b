"""Anthropic's own SDK, unchanged but for base URL and key, over all four providers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import Message
from tests.app.running import HELLO, KEY, Gateway, serving
from tests.app.test_openai_sdk import CITY, MODELS, ROUTES

TOOLS: Any = [{"name": name, "description": "Tells of a city", "input_schema": CITY} for name in ("weather", "traffic")]
ASK: Any = {"max_tokens": 200, "messages": HELLO}


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with serving(folder / "anthropic", ROUTES, GAPURA_SITE_TERRITORY="SG") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[Anthropic]:
    with Anthropic(base_url=gateway.url.removesuffix("/v1"), api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture(params=MODELS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def said(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_plain(client: Anthropic, provider: str) -> None:
    raw = client.messages.with_raw_response.create(model=f"app-{provider}", system="Be brief.", **ASK)
    message = raw.parse()
    Message.model_validate(message.to_dict(), strict=True)
    assert (message.role, message.stop_reason) == ("assistant", "end_turn")
    assert said(message).endswith(f"{MODELS[provider]}, heard: Selamat pagi, dunia")
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0
    assert raw.headers["gapura-provider"] == f"{provider}/{MODELS[provider]}"
    assert raw.headers["gapura-decision"].startswith("allow;id=dec_")


def test_streamed(client: Anthropic, provider: str) -> None:
    plain = client.messages.create(model=f"app-{provider}", **ASK)
    with client.messages.stream(model=f"app-{provider}", **ASK) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert said(message) == said(plain)
    assert message.usage.model_dump(exclude_none=True) == plain.usage.model_dump(exclude_none=True)
    assert (kinds[0], kinds[-1], message.stop_reason) == ("message_start", "message_stop", "end_turn")


@pytest.mark.parametrize("streams", [False, True])
def test_an_agent_comes_to_its_end(client: Anthropic, provider: str, streams: bool) -> None:
    turns: Any = [*HELLO]
    for _ in range(3):
        ask: Any = {"model": f"app-{provider}", "max_tokens": 400, "messages": turns, "tools": TOOLS}
        if streams:
            with client.messages.stream(**ask) as stream:
                message: Message = stream.get_final_message()
        else:
            message = client.messages.create(**ask)
        turns.append({"role": "assistant", "content": message.to_dict()["content"]})
        calls = [block for block in message.content if block.type == "tool_use"]
        if message.stop_reason != "tool_use":
            break
        assert [call.input for call in calls] == [{"city": "Selamat pagi, dunia"}] * 2
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "24 degrees"} for call in calls]
        turns.append({"role": "user", "content": results})
    assert said(message).endswith("read the tool's answer: 24 degrees")


def test_errors_are_anthropics(client: Anthropic, gateway: Gateway) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(model="nothing", **ASK)
    assert missing.value.body == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "message": "There is no model 'nothing' for this key; see /v1/models.",
        },
    }
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.post("/v1/messages", body={"model": "app-qwen", "messages": HELLO}, cast_to=Message)
    with (
        Anthropic(base_url=gateway.url.removesuffix("/v1"), api_key="sk-wrong") as other,
        pytest.raises(anthropic.AuthenticationError),
    ):
        other.messages.create(model="app-qwen", **ASK)


def test_models_are_listed_as_anthropic_does(client: Anthropic) -> None:
    names = [model.id for model in client.models.list()]
    assert {"app-qwen", "app-glm"} <= set(names)
    assert client.models.retrieve("app-qwen").display_name == "app-qwen"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nothing")


def test_tokens_are_estimated(client: Anthropic) -> None:
    raw = client.messages.with_raw_response.count_tokens(model="app-qwen", messages=HELLO)
    assert raw.parse().input_tokens > 0
    assert raw.headers["gapura-estimated"] == "input_tokens"
