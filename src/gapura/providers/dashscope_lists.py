"""Embeddings and rerank in Alibaba's own protocol (ds-sdk 2.0.2 embeddings/, rerank/; docs.qwencloud.com, 2026-11)."""

from collections.abc import Sequence
from typing import Any

from gapura.providers.answers import count, listed
from gapura.providers.embeddings import Embeddings
from gapura.providers.qwen import FAULTS
from gapura.providers.rerank import Rerank

Item = dict[str, Any]

# What stands in `input` of a rerank; all else but the model are parameters.
ASKED = ("query", "documents")


def texts_in(body: Item, texts: Sequence[str]) -> Item:
    size = {"dimension": body["dimensions"]} if "dimensions" in body else {}
    return {"model": body["model"], "input": {"texts": texts}, "parameters": size}


def vectors_out(said: Item) -> Item:
    """A vector has the number of its text under another name."""
    output = said.get("output")
    found = [one for one in listed(output, "embeddings") if isinstance(one, dict)]
    data = [{"index": one.get("text_index", one.get("index")), "embedding": one.get("embedding")} for one in found]
    spent = count(said.get("usage"), "total_tokens") or count(said.get("usage"), "input_tokens")
    return {"data": data, "usage": {"prompt_tokens": spent, "total_tokens": spent}}


def question_in(body: Item) -> Item:
    inputs = {name: body[name] for name in ASKED if name in body}
    more = {name: value for name, value in body.items() if name not in {*ASKED, "model"}}
    return {"model": body["model"], "input": inputs, "parameters": more}


def results_out(said: Item) -> Item:
    output = said.get("output")
    results = output.get("results") if isinstance(output, dict) else None
    return {"id": said.get("request_id"), "results": results, "usage": said.get("usage")}


EMBEDDINGS = Embeddings(
    name="dashscope",
    facts="qwen",
    rules=FAULTS,
    most=10,
    path="/services/embeddings/text-embedding/text-embedding",
    shape=texts_in,
    spoken=vectors_out,
)

RERANK = Rerank(
    name="dashscope",
    facts="qwen",
    rules=FAULTS,
    most=500,
    path="/services/rerank/text-rerank/text-rerank",
    shape=question_in,
    spoken=results_out,
)
