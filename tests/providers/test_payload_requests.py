"""Requests that vendors' SDKs send and their documentation prints, and the answers of what is no chat.

The folder is third-party material and no part of this repository; without it these tests are skipped.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse, ModerationCreateResponse

from gapura.providers import PROVIDERS
from gapura.providers.base import Translation
from gapura.wire import embeddings, moderation, openai, rerank
from gapura.wire.dialect import Kind

PAYLOADS = Path(__file__).parents[3] / "shared" / "payloads"
VENDORS = {"dashscope": "qwen", "baidu": "ernie", "zhipu": "glm"}
FILES = sorted(file for vendor in VENDORS for file in (PAYLOADS / vendor).glob("*") if file.is_file())

pytestmark = pytest.mark.skipif(not FILES, reason="no payloads at hand")


def named(files: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", files, ids=lambda file: f"{file.parent.name}/{file.name}")


def json_in(file: Path) -> Any:
    """What the file holds, or what stands in it after the head of a request or an answer."""
    text = file.read_text("utf-8")
    for part in (text, text.partition("\n\n")[2]):
        try:
            return json.loads(part)
        except ValueError:
            continue
    return None


SAID = {file: json_in(file) for file in FILES}
TABLES = {file: said for file, said in SAID.items() if isinstance(said, dict)}
CHATS = [file for file, said in TABLES.items() if isinstance(said.get("messages"), list) and "model" in said]


def carried(name: str, kind: Kind, read: Callable[[bytes], Any], asked: dict[str, Any]) -> Translation:
    body = json.dumps({"model": "asked-for", **asked}).encode()
    operation = PROVIDERS[name].operation(kind)
    assert operation is not None
    return operation.translate(body, read(body), asked.get("model", "the-model"), None)


@named(CHATS)
def test_a_vendors_own_request_arrives_as_it_is(file: Path) -> None:
    """Fields of its own too; each that does not is told as lost."""
    asked = TABLES[file]
    done = carried(VENDORS[file.parent.name], "chat", openai.read, asked)
    sent, lost = json.loads(done.body), {loss.field for loss in done.losses}
    for name, value in asked.items():
        assert sent.get(name) == value or name in lost or value is None, name


@named([file for file in FILES if "tool_result_messages" in file.name])
def test_a_round_of_tools_arrives_as_it_was(file: Path) -> None:
    messages = SAID[file] if isinstance(SAID[file], list) else SAID[file]["messages"]
    done = carried("qwen", "chat", openai.read, {"model": "qwen-plus", "messages": messages})
    assert json.loads(done.body)["messages"] == messages


def test_dashscopes_sdk_sends_the_same_stream() -> None:
    sdk = next(said for file, said in TABLES.items() if file.name == "sdk_request_native_stream.txt")
    asked = {"model": sdk["model"], "messages": sdk["input"]["messages"], "stream": True}
    done = carried("dashscope", "chat", openai.read, asked)
    assert json.loads(done.body) == sdk
    assert (b"x-dashscope-sse", b"enable") in done.headers
    head = PAYLOADS.joinpath("dashscope", "sdk_request_native_stream.txt").read_text("utf-8")
    operation = PROVIDERS["dashscope"]
    assert head.startswith(f"POST /api/v1{operation.path}")


def test_dashscopes_sdk_sends_the_same_embeddings() -> None:
    sdk = next(said for file, said in TABLES.items() if file.name == "sdk_request_native_embedding.txt")
    asked = {"model": sdk["model"], "input": sdk["input"]["texts"]}
    done = carried("dashscope", "embeddings", embeddings.read, asked)
    assert json.loads(done.body) == sdk


@named([file for file, said in TABLES.items() if "query" in said and "documents" in said])
def test_a_rerank_arrives_as_it_is(file: Path) -> None:
    asked = TABLES[file]
    done = carried(VENDORS[file.parent.name], "rerank", rerank.read, asked)
    sent, lost = json.loads(done.body), {loss.field for loss in done.losses}
    assert all(sent.get(name) == value or name in lost for name, value in asked.items())


@named([file for file, said in TABLES.items() if "input" in said and "embed" in file.name and "output" not in said])
def test_embeddings_arrive_as_they_are(file: Path) -> None:
    asked = TABLES[file]
    if isinstance(asked["input"], dict):
        pytest.skip("in the vendor's own form: compared above")
    done = carried(VENDORS[file.parent.name], "embeddings", embeddings.read, asked)
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    assert json.loads(done.body)["input"] == texts


@named([file for file, said in TABLES.items() if "moderation_request" in file.name])
def test_moderation_arrives_as_it_is(file: Path) -> None:
    done = carried(VENDORS[file.parent.name], "moderation", moderation.read, TABLES[file])
    assert json.loads(done.body) == TABLES[file]


VECTORS = [
    file
    for file, said in TABLES.items()
    if isinstance(said.get("data"), list) and any("embedding" in one for one in said["data"])
]
NATIVE = [file for file, said in TABLES.items() if isinstance(said.get("output"), dict)]


@named([*VECTORS, *(file for file in NATIVE if "embeddings" in SAID[file]["output"])])
def test_vectors_become_openais(file: Path) -> None:
    name = "dashscope" if "output" in SAID[file] else VENDORS[file.parent.name]
    operation = PROVIDERS[name].operation("embeddings")
    assert operation is not None
    answer, usage = operation.answer(json.dumps(SAID[file]).encode(), "m")
    said = CreateEmbeddingResponse.model_validate_json(answer, strict=True)
    assert said.data and usage is not None


@named(
    [
        *(file for file, said in TABLES.items() if isinstance(said.get("results"), list)),
        *(file for file in NATIVE if "results" in SAID[file]["output"]),
    ]
)
def test_reranks_become_one_form(file: Path) -> None:
    name = "dashscope" if "output" in SAID[file] else VENDORS[file.parent.name]
    operation = PROVIDERS[name].operation("rerank")
    assert operation is not None
    said = json.loads(operation.answer(json.dumps(SAID[file]).encode(), "m")[0])
    came = SAID[file].get("results") or SAID[file]["output"]["results"]
    assert [(one["index"], one["relevance_score"]) for one in said["results"]] == [
        (one["index"], one["relevance_score"]) for one in came
    ]
    assert all(isinstance(one.get("document", {}), dict) for one in said["results"])


@named([file for file, said in TABLES.items() if isinstance(said.get("result_list"), list)])
def test_moderation_becomes_openais(file: Path) -> None:
    operation = PROVIDERS["glm"].operation("moderation")
    assert operation is not None
    answer, _ = operation.answer(json.dumps(SAID[file]).encode(), "m")
    assert ModerationCreateResponse.model_validate_json(answer, strict=True).results
