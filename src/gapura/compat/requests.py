"""Recorded requests, a line of JSON each: a body alone, or one with its endpoint as batch files and logs have it.

{"model": "gpt-4o", "messages": […]}                              the endpoint is told by the fields
{"custom_id": "1", "method": "POST", "url": "/v1/embeddings", "body": {…}}
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gapura.errors import BadRequest

# One request, not a file without line ends.
LONGEST = 64 << 20

# What stands before an endpoint's own name: host, prefix and version, as `https://host/compatible-mode/v1/`.
VERSIONED = re.compile(r"^.*/v\d+(?=/)|^https?://[^/]+")

CHAT = "/v1/chat/completions"
# By a field that only this endpoint's requests have.
ENDPOINTS = (("messages", CHAT), ("prompt", "/v1/completions"), ("query", "/v1/rerank"))


class Recorded(NamedTuple):
    """`line` counts from 1; `model` is "" where none is named."""

    line: int
    endpoint: str
    model: str
    body: bytes


class BadLine(BadRequest):
    """A line is no recorded request; names the line."""


def read(path: Path) -> Iterator[Recorded]:
    """Every request of the file; empty lines are passed over.  Raises BadLine, and OSError."""
    with path.open("rb") as lines:
        if lines.peek(len(BOM_UTF8)).startswith(BOM_UTF8):
            lines.read(len(BOM_UTF8))
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST + 1), b""), 1):
            if len(line) > LONGEST:
                raise BadLine(f"line {number}: longer than {LONGEST >> 20} MiB; one request stands on one line")
            if line.strip():
                yield _request(number, line)


def _request(number: int, line: bytes) -> Recorded:
    try:
        said = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadLine(f"line {number}: this is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise BadLine(f"line {number}: expected an object, as a request or as a line of a batch")
    body = said.get("body", said.get("request", said))
    if not isinstance(body, dict):
        raise BadLine(f"line {number}: the body is no object")
    endpoint = said.get("url") or said.get("endpoint") or said.get("path") if body is not said else ""
    model = body.get("model")
    return Recorded(
        number,
        _endpoint(endpoint, body),
        model if isinstance(model, str) else "",
        msgspec.json.encode(body),
    )


def _endpoint(said: Any, body: Mapping[str, Any]) -> str:
    if isinstance(said, str) and said:
        return "/v1/" + VERSIONED.sub("", said.partition("?")[0]).lstrip("/")
    for field, endpoint in ENDPOINTS:
        if field in body:
            return "/v1/messages" if endpoint == CHAT and _is_anthropics(body) else endpoint
    if "input" in body and {"encoding_format", "dimensions"} & body.keys():
        return "/v1/embeddings"
    named = str(body.get("model", ""))
    if "input" in body and "embedding" in named:
        return "/v1/embeddings"
    if "input" in body and "moderation" in named:
        return "/v1/moderations"
    return "/v1/responses" if "input" in body else CHAT


def _is_anthropics(body: Mapping[str, Any]) -> bool:
    """Anthropic's requests have `messages`, too, and always a limit; a system text beside them is no field of
    OpenAI's."""
    return "max_tokens" in body and isinstance(body.get("system"), str | list)
