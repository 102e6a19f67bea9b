"""The Responses API of OpenAI's own SDK, over all four providers."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response
from pydantic import BaseModel
from tests.app.running import Gateway, serving
from tests.app.test_openai_sdk import CITY, MODELS, ROUTES

HELLO = "Selamat pagi, dunia"
TOOLS: Any = [
    {"type": "function", "name": name, "description": "Tells of a city", "parameters": CITY, "strict": False}
    for name in ("weather", "traffic")
]


class Weather(BaseModel):
    city: str
    degrees: int


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with serving(folder / "responses", ROUTES, GAPURA_SITE_TERRITORY="SG") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with gateway.client() as client:
        yield client


@pytest.fixture(params=MODELS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_plain(client: OpenAI, provider: str) -> None:
    raw = client.responses.with_raw_response.create(model=f"app-{provider}", input=HELLO, instructions="Be brief.")
    response = raw.parse()
    Response.model_validate(response.to_dict(), strict=True)
    assert (response.status, response.instructions) == ("completed", "Be brief.")
    assert response.output_text.endswith(f"{MODELS[provider]}, heard: {HELLO}")
    assert response.usage and response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert raw.headers["gapura-provider"] == f"{provider}/{MODELS[provider]}"


def test_streamed(client: OpenAI, provider: str) -> None:
    plain = client.responses.create(model=f"app-{provider}", input=HELLO)
    with client.responses.stream(model=f"app-{provider}", input=HELLO) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == [number for number, _ in zip(count(), events, strict=False)]
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert (final.output_text, final.usage) == (plain.output_text, plain.usage)


@pytest.mark.parametrize("streams", [False, True])
def test_an_agent_comes_to_its_end(client: OpenAI, provider: str, streams: bool) -> None:
    turns: Any = [{"role": "user", "content": HELLO}]
    for _ in range(3):
        ask: Any = {"model": f"app-{provider}", "input": turns, "tools": TOOLS}
        if streams:
            with client.responses.stream(**ask) as stream:
                for _ in stream:
                    pass
                response: Response = stream.get_final_response()
        else:
            response = client.responses.create(**ask)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            break
        assert [call.arguments for call in calls] == ['{"city":"Selamat pagi, dunia"}'] * 2
        turns += [item.model_dump(exclude_none=True) for item in response.output]
        turns += [{"type": "function_call_output", "call_id": call.call_id, "output": "24 degrees"} for call in calls]
    assert response.output_text.endswith("read the tool's answer: 24 degrees")


def test_a_schema_is_kept_to(client: OpenAI, provider: str) -> None:
    parsed = client.responses.parse(model=f"app-{provider}", input=HELLO, text_format=Weather)
    assert parsed.output_parsed == Weather(city=HELLO, degrees=1)


def test_a_limit_that_is_met_is_told(client: OpenAI, provider: str) -> None:
    response = client.responses.create(model=f"app-{provider}", input=HELLO, max_output_tokens=2)
    assert response.status == "incomplete" and response.incomplete_details
    assert response.incomplete_details.reason == "max_output_tokens"


def test_what_needs_keeping_and_hosted_tools_are_refused_by_name(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="previous_response_id is not supported") as kept:
        client.responses.create(model="app-qwen", input=HELLO, previous_response_id="resp_1")
    assert kept.value.param == "previous_response_id"
    with pytest.raises(openai.BadRequestError, match="web_search") as hosted:
        client.responses.create(model="app-qwen", input=HELLO, tools=[{"type": "web_search"}])
    assert hosted.value.param == "tools.web_search"
