"""Providers of the operator's own, from the file and the variables to the answer: as real vendors, not as a sandbox."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI
from tests.app.running import HELLO, KEY, Gateway, serving

from gapura.sandbox import Live, running

CITY: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": "Tells of a city", "parameters": CITY}}
    for name in ("weather", "traffic")
]
MODELS = {
    "lab": "gpt-4o-mini",
    "home": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
    "dashscope": "qwen-plus",
    "bigmodel": "glm-4.6",
    "azure": "gpt-4o-async",
}


def document(live: Live) -> str:
    """Each is reached at the sandbox's socket, and none of them is the sandbox to this gateway."""
    return f"""
policies = []

[providers.lab]
kind = "vllm"
base_url = "{live.urls["openai"]}"
key_file = "lab-key"
models = ["our-own"]
processing_territory = "ID"

[providers.home]
kind = "compatible"
base_url = "{live.urls["openai"]}"
key_variable = "TEAM_API_KEY"

[providers.anthropic]
base_url = "{live.more["anthropic"]}"

[providers.azure]
base_url = "{live.more["azure"]}"

[providers.dashscope]
base_url = "{live.native}"

[providers.bigmodel]
kind = "glm"
base_url = "{live.urls["glm"]}"
quirks = {{ tokens = true }}

[providers.absent]
kind = "ollama"

[routes.either]
targets = ["absent/llama", "lab/gpt-4o-mini"]
"""


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with running() as live:
        yield live


@pytest.fixture(scope="module")
def gateway(folder: Path, live: Live) -> Iterator[Gateway]:
    home = folder / "vendors"
    home.mkdir()
    (home / "lab-key").write_text("sk-lab\n")
    keys = {
        "ANTHROPIC_API_KEY": "sk-ant-1",
        "DASHSCOPE_API_KEY": "sk-ds-1",
        "AZURE_OPENAI_API_KEY": "az-1",
        "TEAM_API_KEY": "sk-team",
        "BIGMODEL_API_KEY": "id.secret",
    }
    with serving(home, document(live), **keys) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with gateway.client() as client:
        yield client


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return f"{request.param}/{MODELS[request.param]}"


def test_plain(client: OpenAI, model: str) -> None:
    said = client.chat.completions.create(model=model, messages=HELLO, max_tokens=50)
    assert (said.choices[0].message.content or "").endswith("Selamat pagi, dunia")
    assert said.usage is not None and said.usage.completion_tokens > 5


def test_a_stream(client: OpenAI, model: str) -> None:
    options: Any = {"include_usage": True}
    with client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=options) as chunks:
        found = list(chunks)
    text = "".join(one.choices[0].delta.content or "" for one in found if one.choices)
    assert text.endswith("Selamat pagi, dunia")
    assert [one.usage.total_tokens > 0 for one in found if one.usage] == [True]


def test_an_agents_loop(client: OpenAI, model: str) -> None:
    messages: list[Any] = [*HELLO]
    first = client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
    calls = first.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["weather", "traffic"]
    messages.append(first.choices[0].message.model_dump(exclude_none=True))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in calls]
    said = client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
    assert "read the tool's answer: rain" in (said.choices[0].message.content or "")


def test_embeddings_where_there_are_some(client: OpenAI) -> None:
    said = client.embeddings.create(model="lab/text-embedding-3-small", input=["satu", "dua"])
    assert [one.index for one in said.data] == [0, 1]


def test_names_that_its_table_has_need_no_route(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobodys-own", messages=HELLO)
    raw = client.chat.completions.with_raw_response.create(model="our-own", messages=HELLO)
    assert raw.headers["gapura-provider"] == "lab/our-own"


def test_without_a_key_it_is_not_there(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="absent/llama", messages=HELLO)


def test_a_target_without_a_key_is_passed_over(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="either", messages=HELLO)
    assert raw.headers["gapura-provider"] == "lab/gpt-4o-mini"


def test_the_vendors_limits_are_told(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="anthropic/claude-haiku-4-5", messages=HELLO)
    assert raw.headers["x-ratelimit-limit-requests"] == "50"


def test_messages_go_to_anthropic_as_they_came(gateway: Gateway) -> None:
    """What chat does not know is kept: thoughts with their signature."""
    ask: Any = {"model": "anthropic/claude-haiku-4-5", "max_tokens": 3000, "messages": HELLO}
    with Anthropic(base_url=gateway.url.removesuffix("/v1"), api_key=KEY, max_retries=0) as client:
        raw = client.messages.with_raw_response.create(**ask)
        plain = raw.parse()
        assert plain.stop_reason == "end_turn" and plain.id.startswith("msg_")
        assert raw.headers["gapura-provider"] == "anthropic/claude-haiku-4-5" and "gapura-losses" not in raw.headers
        thinking: Any = {"type": "enabled", "budget_tokens": 1024}
        with client.messages.stream(**ask | {"thinking": thinking}) as stream:
            thought = stream.get_final_message().content[0]
        assert thought.type == "thinking" and thought.signature
