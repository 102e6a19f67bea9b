"""OpenAI's SDK against the simulators' other operations: what they say is what its types want, strictly."""

from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import CreateEmbeddingResponse, ModerationCreateResponse
from openai.types.responses import Response

from gapura.sandbox import Live

TOOLS: Any = [
    {"type": "function", "name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    for name in ("weather", "traffic")
]
MODELS = {
    "openai": "text-embedding-3-small",
    "qwen": "text-embedding-v4",
    "ernie": "bge-large-zh",
    "glm": "embedding-3",
}
MOST = {"openai": 2048, "qwen": 10, "ernie": 16, "glm": 64}


def client(live: Live, vendor: str = "openai") -> OpenAI:
    return OpenAI(base_url=live.urls[vendor], api_key="id.secret", max_retries=0)


@pytest.mark.parametrize("vendor", MODELS)
def test_embeddings_within_the_vendors_limits(live: Live, vendor: str) -> None:
    with client(live, vendor) as sdk:
        ask: Any = {"model": MODELS[vendor], "encoding_format": "float"}
        answer = sdk.embeddings.create(input=["Halo"] * min(MOST[vendor], 64), **ask)
        CreateEmbeddingResponse.model_validate(answer.to_dict(), strict=True)
        assert len({tuple(item.embedding) for item in answer.data}) == 1
        assert sum(part * part for part in answer.data[0].embedding) == pytest.approx(1)
        with pytest.raises(openai.BadRequestError):
            sdk.embeddings.create(input=["Halo"] * (MOST[vendor] + 1), **ask)
        with pytest.raises(openai.BadRequestError):
            sdk.embeddings.create(input="Halo", dimensions=77_777, **ask)


def test_base64_is_openais(live: Live) -> None:
    with client(live) as sdk:
        packed = sdk.embeddings.create(model=MODELS["openai"], input="Halo")  # base64, unless something else is said
        plain = sdk.embeddings.create(model=MODELS["openai"], input="Halo", encoding_format="float")
        assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)
    with client(live, "glm") as sdk, pytest.raises(openai.BadRequestError):
        sdk.embeddings.create(model=MODELS["glm"], input="Halo", encoding_format="base64")


def test_moderation(live: Live) -> None:
    with client(live) as sdk:
        answer = sdk.moderations.create(input=["Selamat pagi", "I will kill you"])
        ModerationCreateResponse.model_validate(answer.to_dict(), strict=True)
        assert [one.categories.violence for one in answer.results] == [False, True]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-5.4"])
def test_responses_plain_and_streamed_say_the_same(live: Live, model: str) -> None:
    with client(live) as sdk:
        plain = sdk.responses.create(model=model, input="Halo")
        Response.model_validate(plain.to_dict(), strict=True)
        with sdk.responses.stream(model=model, input="Halo") as stream:
            events = list(stream)
            final = stream.get_final_response()
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert (final.output_text, final.usage) == (plain.output_text, plain.usage)
        assert bool(plain.usage and plain.usage.output_tokens_details.reasoning_tokens) is (model == "gpt-5.4")


def test_responses_with_tools_go_round_and_want_thoughts_back_whole(live: Live) -> None:
    with client(live) as sdk:
        turns: Any = [{"role": "user", "content": "Halo"}]
        include: Any = ["reasoning.encrypted_content"]
        first = sdk.responses.create(model="gpt-5.4", input=turns, tools=TOOLS, store=False, include=include)
        calls = [item for item in first.output if item.type == "function_call"]
        assert [call.arguments for call in calls] == ['{"city":"Halo"}'] * 2
        turns += [item.model_dump(exclude_none=True) for item in first.output]
        turns += [{"type": "function_call_output", "call_id": call.call_id, "output": "24"} for call in calls]
        assert sdk.responses.create(model="gpt-5.4", input=turns, tools=TOOLS).output_text.endswith("answer: 24")
        for item in turns:
            item.pop("encrypted_content", None)
        with pytest.raises(openai.NotFoundError, match="was not stored"):
            sdk.responses.create(model="gpt-5.4", input=turns, tools=TOOLS)
