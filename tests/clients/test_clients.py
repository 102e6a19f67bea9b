"""What people already use, unchanged but for base URL and key: each runs its ordinary program through a gateway,
with a model of each provider: a plain answer, a streamed one, a tool call and what follows it."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.app.running import KEY, Gateway, serving
from tests.programs import TESTS, found, python

HERE = TESTS / "clients"
NODE = Path(shutil.which("node") or "node")

# Route, provider, and how its simulator introduces itself.
ROUTES = {
    "by-openai": ("openai/gpt-4o-mini", "The OpenAI sandbox, gpt-4o-mini,"),
    "by-qwen": ("qwen/qwen-plus", "The Alibaba DashScope sandbox, qwen-plus,"),
    "by-ernie": ("ernie/ernie-4.5-turbo-128k", "The Baidu Qianfan sandbox, ernie-4.5-turbo-128k,"),
    "by-glm": ("glm/glm-4.6", "The Zhipu BigModel sandbox, glm-4.6,"),
}
DOCUMENT = "".join(f'[routes.{name}]\ntargets = ["{target}"]\n' for name, (target, _) in ROUTES.items())


class Client(NamedTuple):
    """`refused` is what an application catches when its key is wrong."""

    program: str
    by: Path
    refused: list[object]
    arguments: tuple[str, ...] = ()


CLIENTS = {
    "openai, Python": Client(
        "openai_program.py", Path(sys.executable), ["AuthenticationError", 401, "invalid_api_key"]
    ),
    "openai, Node": Client("openai_program.mjs", NODE, ["AuthenticationError", 401, "invalid_api_key"]),
    "LangChain": Client(
        "langchain_program.py", python("langchain"), ["OpenAIAuthenticationError", 401, "invalid_api_key"]
    ),
    "LlamaIndex": Client(
        "llamaindex_program.py", python("llamaindex"), ["AuthenticationError", 401, "invalid_api_key"]
    ),
    "llm": Client("llm_program.py", python("llm"), ["AuthenticationError"]),
    "LiteLLM": Client("litellm_program.py", python("litellm"), ["AuthenticationError", 401]),
    "AI SDK, openai": Client("ai_program.mjs", NODE, ["AI_APICallError", 401], ("openai",)),
    "AI SDK, openai-compatible": Client("ai_program.mjs", NODE, ["AI_APICallError", 401], ("compatible",)),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with serving(tmp_path_factory.mktemp("gateway"), DOCUMENT, GAPURA_SITE_TERRITORY="SG") as gateway:
        yield gateway


def asked(gateway: Gateway) -> list[int]:
    """How often each vendor was asked up to now."""
    return [gateway.seen(target.partition("/")[0]) for target, _ in ROUTES.values()]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_runs_its_ordinary_program(gateway: Gateway, name: str) -> None:
    client = CLIENTS[name]
    before = asked(gateway)
    needs = HERE / "node_modules/.installed" if client.by == NODE else None
    arguments = [*client.arguments, gateway.url, KEY, *ROUTES]
    said = found(HERE / client.program, arguments, by=client.by, needs=needs)

    for route, (_, greeting) in ROUTES.items():
        trial = said["models"][route]
        text = f"{greeting} heard: Selamat pagi"
        assert trial["plain"].strip() == text
        assert "".join(trial["pieces"]).strip() == text
        assert len([piece for piece in trial["pieces"] if piece]) > 1
        plain, streamed = trial["tokens"]
        assert plain == streamed > 0
        assert trial["called_with"] == {"city": "Selamat pagi"}
        assert trial["after_the_call"].strip() == f"{greeting} read the tool's answer: 24 degrees"
    assert said["refused"] == client.refused
    # Four questions each: nothing was tried twice, and who is refused is heard by no vendor.
    assert [now - then for now, then in zip(asked(gateway), before, strict=True)] == [4, 4, 4, 4]
