"""Rerank without a model: the documents by the words that they share with the query."""

from typing import Any

import msgspec

from gapura.sandbox.script import tokens
from gapura.sandbox.shape import Call, Wrong, mistyped
from gapura.sandbox.vectors import vector

SIZE = 256


class Asked(msgspec.Struct):
    query: str
    documents: list[str]
    model: str = ""
    top_n: int | None = None
    return_documents: bool | None = None


_decode = msgspec.json.Decoder(Asked).decode


def rerank(call: Call, models: frozenset[str], most: int, *, wrapped: bool) -> dict[str, Any]:
    """What all three say alike.  `wrapped`: documents stand in an object (DashScope).  Raises Wrong."""
    if call.method != "POST":
        raise Wrong("method")
    try:
        asked = _decode(call.body)
    except msgspec.ValidationError as error:
        raise mistyped(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Wrong("malformed", f"The body is not valid JSON: {error}") from None
    if asked.model not in models:
        raise Wrong("404", f"The model '{asked.model}' does not exist.", "model")
    if not 0 < len(asked.documents) <= most:
        raise Wrong("invalid", f"'documents' takes 1 to {most}, got {len(asked.documents)}.", "documents")
    wanted = vector(asked.query, SIZE)
    scored = [
        (sum(a * b for a, b in zip(wanted, vector(document, SIZE), strict=True)), at)
        for at, document in enumerate(asked.documents)
    ]
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    results: list[dict[str, Any]] = []
    for score, at in scored[: asked.top_n or None]:
        document = asked.documents[at]
        shown = {"document": {"text": document} if wrapped else document} if asked.return_documents else {}
        results.append({"index": at, "relevance_score": max(score, 0.0), **shown})
    spent = sum(len(tokens(document)) + len(tokens(asked.query)) for document in asked.documents)
    return {"results": results, "usage": {"prompt_tokens": spent, "total_tokens": spent}}
