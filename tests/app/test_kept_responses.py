"""Conversations that are kept, by a whole gateway: with OpenAI's SDK, and what lies in the database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter
from tests.app.running import Gateway, serving
from tests.app.test_openai_sdk import ROUTES

ITEM: TypeAdapter[Any] = TypeAdapter(ResponseItem)


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with serving(folder / "kept", ROUTES, GAPURA_SITE_TERRITORY="SG", GAPURA_WORKERS="2") as gateway:
        gateway.cli("account", "add", "acme", "--keeps-responses")
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with gateway.client(gateway.key("acme")) as client:
        yield client


@pytest.mark.parametrize("provider", ["openai", "glm"])
def test_a_conversation_is_kept_read_and_deleted(client: OpenAI, gateway: Gateway, provider: str) -> None:
    secret = f"durian number {provider}"
    first = client.responses.create(model=f"app-{provider}", input=secret)
    with client.responses.stream(model=f"app-{provider}", input="And then?", previous_response_id=first.id) as stream:
        second = stream.until_done().get_final_response()
    assert second.previous_response_id == first.id and second.usage and first.usage
    assert second.usage.input_tokens > first.usage.input_tokens  # it was told what was said before
    assert client.responses.retrieve(second.id).output_text == second.output_text
    assert secret.encode() not in b"".join(file.read_bytes() for file in gateway.home.glob("gapura.db*"))
    client.responses.delete(first.id)
    for gone in (first.id, "resp_nothing"):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(gone)
        with pytest.raises(openai.NotFoundError) as missing:
            client.responses.create(model=f"app-{provider}", input="And then?", previous_response_id=gone)
        assert missing.value.code == "previous_response_not_found"


def test_what_was_asked_is_listed_in_pages(client: OpenAI) -> None:
    first = client.responses.create(model="app-glm", input="Halo", instructions="Be brief.")
    image: Any = {"type": "input_image", "image_url": "data:image/png;base64,aGE=", "detail": "auto"}
    turn: Any = [{"role": "user", "content": [{"type": "input_text", "text": "And then?"}, image]}]
    second = client.responses.create(model="app-openai", input=turn, previous_response_id=first.id)
    client.responses.delete(first.id)  # what went on from it stays whole
    said: list[Any] = list(
        client.responses.input_items.list(second.id, order="asc", limit=1)
    )  # the SDK turns the pages
    for item in said:
        ITEM.validate_python(item.to_dict(), strict=True)
    assert [(item.role, item.content[0].text) for item in said] == [
        ("user", "Halo"),
        ("assistant", first.output_text),
        ("user", "And then?"),
    ]
    newest = client.responses.input_items.list(second.id, limit=2)
    assert [item.id for item in newest.data] == [said[2].id, said[1].id] and newest.has_more
    rest = client.responses.input_items.list(second.id, after=said[1].id)
    assert [item.id for item in rest.data] == [said[0].id] and not rest.has_more
    third = client.responses.create(model="app-openai", input="So?", previous_response_id=second.id)
    assert len(list(client.responses.input_items.list(third.id))) == 5


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"order": "up"}, {"after": "msg_nothing"}])
def test_a_page_that_cannot_be_is_refused_by_name(client: OpenAI, query: Any) -> None:
    kept = client.responses.create(model="app-qwen", input="Halo")
    with pytest.raises(openai.BadRequestError) as wrong:
        client.responses.input_items.list(kept.id, **query)
    assert wrong.value.param == next(iter(query))


def test_nothing_runs_in_the_background(client: OpenAI) -> None:
    kept = client.responses.create(model="app-qwen", input="Halo")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(kept.id)
    with pytest.raises(openai.BadRequestError) as streamed:
        client.responses.retrieve(kept.id, stream=True)
    assert streamed.value.param == "stream"
    for ask in ({"background": True}, {"conversation": "conv_1"}):
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model="app-qwen", input="Halo", **cast("Any", ask))
        assert refused.value.param == next(iter(ask))


def test_it_is_nobody_elses(client: OpenAI, gateway: Gateway) -> None:
    kept = client.responses.create(model="app-qwen", input="Halo")
    with gateway.client() as other, pytest.raises(openai.NotFoundError):
        other.responses.retrieve(kept.id)
    with gateway.client() as other:
        for ask in (other.responses.delete, other.responses.cancel, other.responses.input_items.list):
            with pytest.raises(openai.NotFoundError):
                ask(kept.id)
    with gateway.client(gateway.key("acme")) as same:
        assert same.responses.retrieve(kept.id).id == kept.id
    assert client.responses.retrieve(kept.id).id == kept.id
