"""A simulator to ask, in the process or over a socket."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gapura.clock import TurnableClock, instant
from gapura.sandbox import Live, Sandbox, create_sandbox, running
from gapura.sandbox.shape import Call

PATHS = {
    "openai": "/openai/v1/chat/completions",
    "qwen": "/dashscope/compatible-mode/v1/chat/completions",
    "native": "/dashscope/api/v1/services/aigc/text-generation/generation",
    "ernie": "/qianfan/v2/chat/completions",
    "glm": "/bigmodel/api/paas/v4/chat/completions",
}
MODELS = {
    "openai": "gpt-4o-mini",
    "qwen": "qwen-plus",
    "native": "qwen-plus",
    "ernie": "ernie-4.5-turbo-128k",
    "glm": "glm-4-plus",
}
Said = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return create_sandbox(TurnableClock(instant("2026-11-22T00:00:00Z")))


@pytest.fixture(scope="session")
def ask(sandbox: Sandbox) -> Callable[..., Said]:
    """ask("openai", stream=True, …) → status, headers, body; fields of the body as keywords."""

    def asked(vendor: str, *, raw: bytes | None = None, headers: dict[str, str] | None = None, **fields: Any) -> Said:
        fields = {"model": MODELS[vendor], "messages": [{"role": "user", "content": "Selamat pagi, dunia"}], **fields}
        headers = {"authorization": "Bearer id.secret", **(headers or {})}
        if vendor == "native":
            if fields.pop("stream", False):
                headers["x-dashscope-sse"] = "enable"
            fields = {"model": fields.pop("model"), "input": {"messages": fields.pop("messages")}, "parameters": fields}
        body = raw if raw is not None else json.dumps(fields).encode()
        reply = sandbox.answer(Call("POST", PATHS[vendor], headers, body)).reply
        whole = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
        return reply.status, {name.decode(): value.decode() for name, value in reply.headers}, whole

    return asked


@pytest.fixture(scope="session")
def chunks(ask: Callable[..., Said]) -> Callable[..., list[dict[str, Any]]]:
    """chunks("openai", …) → what a stream's events hold; its last one is [DONE]."""

    def asked(vendor: str, **fields: Any) -> list[dict[str, Any]]:
        events = ask(vendor, stream=True, **fields)[2].decode().removesuffix("\n\n").split("\n\n")
        assert events[-1] == "data: [DONE]"
        return [json.loads(event.removeprefix("data: ")) for event in events[:-1]]

    return asked


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with running() as live:
        yield live
