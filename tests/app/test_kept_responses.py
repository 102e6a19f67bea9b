"""Conversations that are kept, by a whole gateway: with OpenAI's SDK, and what lies in the database."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from tests.app.running import Gateway, serving
from tests.app.test_openai_sdk import ROUTES


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


def test_it_is_nobody_elses(client: OpenAI, gateway: Gateway) -> None:
    kept = client.responses.create(model="app-qwen", input="Halo")
    with gateway.client() as other, pytest.raises(openai.NotFoundError):
        other.responses.retrieve(kept.id)
    with gateway.client() as other, pytest.raises(openai.NotFoundError):
        other.responses.delete(kept.id)
    assert client.responses.retrieve(kept.id).id == kept.id
