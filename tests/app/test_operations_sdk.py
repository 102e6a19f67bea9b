"""What is no conversation, through OpenAI's own SDK: embeddings, moderation, legacy completions, rerank."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Completion, CreateEmbeddingResponse, ModerationCreateResponse
from tests.app.running import CHINA, KEY, Gateway, request, serving
from tests.app.test_openai_sdk import MODELS, ROUTES

EMBEDDING = {
    "openai": "text-embedding-3-small",
    "qwen": "text-embedding-v4",
    "ernie": "bge-large-zh",
    "glm": "embedding-3",
}
RERANK = {"qwen": "qwen3-rerank", "ernie": "bce-reranker-base", "glm": "rerank"}

MORE = "".join(
    [f'[routes."vectors-{provider}"]\ntargets = ["{provider}/{model}"]\n' for provider, model in EMBEDDING.items()]
    + [f'[routes."order-{provider}"]\ntargets = ["{provider}/{model}"]\n' for provider, model in RERANK.items()]
    + ['[routes."omni-moderation-latest"]\ntargets = ["openai/omni-moderation-latest"]\n']
    + ['[routes."text-embedding-3-small"]\ntargets = ["qwen/text-embedding-v4"]\n']
    + ['[routes."text-embedding-3-large"]\ntargets = ["qwen/text-embedding-v4"]\naccepts = ["embedding_space"]\n']
)
TEXTS = [f"text number {number}" for number in range(40)]


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with serving(folder / "operations", ROUTES + MORE, GAPURA_SITE_TERRITORY="SG") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with gateway.client() as client:
        yield client


def near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("provider", EMBEDDING)
def test_many_texts_go_out_in_as_many_requests_as_the_vendor_needs(client: OpenAI, provider: str) -> None:
    model: Any = f"vectors-{provider}"
    answer = client.embeddings.create(model=model, input=TEXTS)  # the SDK asks for base64
    CreateEmbeddingResponse.model_validate(answer.to_dict(), strict=True)
    assert [item.index for item in answer.data] == list(range(40))
    alone = client.embeddings.create(model=model, input=TEXTS[33], encoding_format="float")
    assert near(answer.data[33].embedding, alone.data[0].embedding) == pytest.approx(1, abs=1e-6)
    assert answer.usage.prompt_tokens == 40 * alone.usage.prompt_tokens


@pytest.mark.parametrize("provider", EMBEDDING)
def test_vectors_come_in_the_form_that_was_asked_for(client: OpenAI, provider: str) -> None:
    forms = {
        form: client.post(
            "/embeddings",
            body={"model": f"vectors-{provider}", "input": "Halo", "encoding_format": form},
            cast_to=object,
        )
        for form in ("float", "base64")
    }
    kinds = {form: type(answer["data"][0]["embedding"]) for form, answer in forms.items()}  # type: ignore[index]
    assert kinds == {"float": list, "base64": str}


def test_vectors_of_another_model_are_refused_unless_the_route_accepts_it(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="text-embedding-v4 are not those of text-embedding-3-small"):
        client.embeddings.create(model="text-embedding-3-small", input="Halo")
    raw = client.embeddings.with_raw_response.create(model="text-embedding-3-large", input="Halo")
    assert len(raw.parse().data[0].embedding) == 1024
    assert "embedding_space" in raw.headers["gapura-losses"]


def test_dimensions_that_a_model_lacks_are_refused(client: OpenAI) -> None:
    assert len(client.embeddings.create(model="vectors-qwen", input="Halo", dimensions=256).data[0].embedding) == 256
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="vectors-ernie", input="Halo", dimensions=256)
    assert refused.value.param == "dimensions"


def test_token_ids_are_for_openai_only(client: OpenAI) -> None:
    assert client.embeddings.create(model="vectors-openai", input=[[1, 2], [3]]).usage.prompt_tokens == 3
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.embeddings.create(model="vectors-qwen", input=[1, 2])


def test_moderation(client: OpenAI) -> None:
    answer = client.moderations.create(input=["Selamat pagi", "I will kill you"])
    ModerationCreateResponse.model_validate(answer.to_dict(), strict=True)
    assert [result.flagged for result in answer.results] == [False, True]
    with pytest.raises(openai.BadRequestError, match="moderation: qwen has none"):
        client.moderations.create(model="app-qwen", input="Halo")


@pytest.mark.parametrize("provider", RERANK)
def test_rerank(gateway: Gateway, provider: str) -> None:
    ask = {
        "model": f"order-{provider}",
        "query": "capital of Indonesia",
        "documents": ["sate ayam", "Jakarta is the capital of Indonesia", {"text": "the capital of France"}],
        "top_n": 2,
        "return_documents": True,
    }
    with gateway.client() as client:
        answer: Any = client.post("/rerank", body=ask, cast_to=object)
    assert [result["index"] for result in answer["results"]] == [1, 2]
    assert answer["results"][0]["document"] == {"text": "Jakarta is the capital of Indonesia"}
    assert answer["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("echo", [False, True])
def test_completions_of_the_old_kind(client: OpenAI, provider: str, echo: bool) -> None:
    ask: Any = {"model": f"app-{provider}", "prompt": "Selamat pagi", "max_tokens": 60, "echo": echo}
    raw = client.completions.with_raw_response.create(**ask)
    plain = raw.parse()
    Completion.model_validate(plain.to_dict(), strict=True)
    assert plain.choices[0].text.endswith("heard: Selamat pagi") and plain.choices[0].finish_reason == "stop"
    assert plain.choices[0].text.startswith("Selamat pagi") is echo
    assert "prompt" in raw.headers["gapura-losses"]
    chunks = list(client.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == plain.choices[0].text
    assert chunks[-1].usage == plain.usage


def test_an_old_completion_ends_where_it_always_did(client: OpenAI) -> None:
    answer = client.completions.create(
        model="app-openai", prompt="one two three four five six seven eight nine ten" * 3
    )
    assert answer.usage and (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (16, "length")


def test_what_is_wrong_with_an_operation_is_named(gateway: Gateway) -> None:
    with gateway.client() as client, pytest.raises(openai.BadRequestError) as wrong:
        client.post("/embeddings", body={"model": "vectors-qwen", "input": ["a", 1]}, cast_to=object)
    assert json.loads(wrong.value.response.content)["error"]["param"] == "input"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/responses", {"input": "Halo"}),
        ("/messages", {"max_tokens": 5, "messages": [{"role": "user", "content": "Halo"}]}),
        ("/completions", {"prompt": "Halo"}),
        ("/embeddings", {"input": "Halo"}),
        ("/moderations", {"input": "Halo"}),
    ],
)
def test_a_place_that_is_not_served_is_refused_everywhere_and_recorded(
    guarded: Gateway, path: str, body: dict[str, Any]
) -> None:
    ask = json.dumps({"model": "guarded", **body}).encode()
    headers = {"authorization": f"Bearer {KEY}", "x-forwarded-for": CHINA}
    answer = request(guarded.url + path, "POST", ask, headers)
    assert (answer.status, answer.effect, answer.headers["x-should-retry"]) == (403, "block", "false")
    if path == "/messages":
        assert answer.error == {"type": "permission_error", "message": "Country, region, or territory not supported"}
    else:
        assert answer.code == "unsupported_country_region_territory"
    assert guarded.decision(answer)["outcome"] == "refused"
    assert guarded.seen("openai") == 0


@pytest.fixture(scope="module")
def guarded(folder: Path) -> Iterator[Gateway]:
    document = '[routes.guarded]\ntargets = ["openai/gpt-4o-mini"]\n'
    with serving(folder / "guarded", document, GAPURA_TRUSTED_PROXIES="127.0.0.1/32") as gateway:
        yield gateway
