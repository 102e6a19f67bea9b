"""Four vendors behind one port."""

import json
import socket
from http.client import HTTPConnection

import pytest

from gapura.sandbox import Live, Sandbox, base_urls, native_url, running
from gapura.sandbox.shape import Call


def get(live: Live, path: str, key: str = "k.s") -> tuple[int, dict[str, object] | str]:
    connection = HTTPConnection("127.0.0.1", live.port, timeout=60)
    connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if answer.headers["content-type"] == "application/json" else text


def test_addresses_have_the_paths_of_the_real_hosts() -> None:
    assert base_urls(9000) == {
        "openai": "http://127.0.0.1:9000/openai/v1",
        "qwen": "http://127.0.0.1:9000/dashscope/compatible-mode/v1",
        "ernie": "http://127.0.0.1:9000/qianfan/v2",
        "glm": "http://127.0.0.1:9000/bigmodel/api/paas/v4",
    }
    assert native_url(9000, "localhost") == "http://localhost:9000/dashscope/api/v1"


def test_models_are_listed_where_the_vendor_lists_them(live: Live) -> None:
    paths = {name: url.removeprefix(f"http://127.0.0.1:{live.port}") for name, url in live.urls.items()}
    for name in ("openai", "qwen", "ernie"):
        status, body = get(live, f"{paths[name]}/models")
        assert status == 200 and isinstance(body, dict) and body["object"] == "list" and body["data"]
    assert get(live, f"{paths['glm']}/models")[0] == 404
    assert get(live, "/openai/v1/models/gpt-4o")[0] == 200
    assert get(live, "/openai/v1/models/gpt-0")[0] == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/openai/v1/images/generations", 404),
        ("/dashscope/compatible-mode/v1/embeddings", 405),
        ("/dashscope/api/v1/tasks/1", 404),
        ("/qianfan/v2/images/generations", 404),
        ("/bigmodel/api/paas/v4/v1/chat/completions", 404),
        ("/openai/v1/chat/completions", 405),
        ("/dashscope/api/v1/services/aigc/text-generation/generation", 405),
        ("/qianfan/v2/chat/completions", 405),
        ("/", 404),
    ],
)
def test_other_paths_and_methods_are_refused(live: Live, path: str, status: int) -> None:
    assert get(live, path)[0] == status


def test_a_test_can_count_at_the_vendor() -> None:
    with running() as live:
        get(live, "/openai/v1/models")
        get(live, "/qianfan/v2/models", key="")
        status, body = get(live, "/sandbox/seen")
    assert status == 200 and isinstance(body, dict) and isinstance(body["vendors"], dict)
    assert {name: seen["requests"] for name, seen in body["vendors"].items()} == {
        "openai": 1,
        "qwen": 0,
        "ernie": 1,
        "glm": 0,
        "anthropic": 0,
        "azure": 0,
    }
    assert body["connections"] == 1


def test_leaving_closes_the_port_and_what_came_through_it() -> None:
    with running() as live:
        kept = HTTPConnection("127.0.0.1", live.port, timeout=60)
        kept.request("GET", "/sandbox/seen")
        kept.getresponse().read()
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", live.port), timeout=60)
    assert kept.sock.recv(1) == b""
    kept.close()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/openai/v1/models", 401, None),
        ("/dashscope/compatible-mode/v1/models", 401, "invalid_api_key"),
        ("/dashscope/api/v1/x", 401, "InvalidApiKey"),
        ("/qianfan/v2/models", 401, "invalid_iam_token"),
        ("/bigmodel/api/paas/v4/models", 401, "1001"),
    ],
)
def test_without_a_key_there_is_nothing(sandbox: Sandbox, path: str, status: int, code: str | None) -> None:
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": ""}):
        reply = sandbox.answer(Call("GET", path, headers, b"")).reply
        assert isinstance(reply.body, bytes)
        error = json.loads(reply.body)
        assert (reply.status, (error.get("error") or error)["code"]) == (status, code)
