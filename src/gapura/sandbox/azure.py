"""Azure OpenAI: OpenAI's API at deployments, with the content filter's opinions in what it says
(learn.microsoft.com/azure/ai-services/openai/reference and "Content streaming", 2026-01; errors as people met them).

A deployment has the name of the model that it pretends to be; any name is one.  One that ends in `-async` has a filter
that runs beside the answer: its opinions come in chunks of their own.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

import msgspec

from gapura.sandbox.openai import OpenAI
from gapura.sandbox.script import Turn
from gapura.sandbox.shape import DONE, Call, Headers, Reply, Wrong, event
from gapura.sandbox.vendor import Row

_AT = re.compile(r"/openai/deployments/([^/]+)(/.*)")
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
_BESIDE = "-async"

SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
FILTERED = {**SAFE, "violence": {"filtered": True, "severity": "high"}}
PROMPT = [{"prompt_index": 0, "content_filter_results": SAFE}]


class Azure(OpenAI):
    name, label, prefix = "azure", "Azure OpenAI", "/azure"
    filter_finishes = frozenset({True})  # of a plain request the prompt is filtered
    errors: ClassVar = {
        **OpenAI.errors,
        "no-key": Row(401, "401", "Access denied due to invalid subscription key or wrong API endpoint.", ""),
        "401": Row(401, "401", "Access denied due to invalid subscription key or wrong API endpoint.", ""),
        "404": Row(404, "DeploymentNotFound", "The API deployment for this resource does not exist.", ""),
        "path": Row(404, "404", "Resource not found", ""),
        "method": Row(404, "404", "Resource not found", ""),
        "429": Row(429, "RateLimitReached", "Your requests have exceeded call rate limit. Please retry after 2 s.", ""),
        "503": Row(503, "ServiceUnavailable", "The service is temporarily unable to process your request.", ""),
        "region": Row(403, "403", "This service is not available in your country.", ""),
        "content-filter": Row(
            400, "content_filter", "The prompt triggered the content management policy.", "content_filter"
        ),
    }

    def answer(self, call: Call) -> Reply:
        try:
            return super().answer(self._at(call))
        except Wrong as wrong:
            return self.refuse(wrong, call)

    def _at(self, call: Call) -> Call:
        """The same call as OpenAI would get it: the deployment is the model."""
        if call.path.startswith("/openai/v1/"):
            return call._replace(path=call.path.removeprefix("/openai/v1"))
        version = parse_qs(call.query).get("api-version", [""])[0]
        found = _AT.fullmatch(call.path)
        if found is None or not _VERSION.fullmatch(version):
            raise Wrong("path")
        try:
            given = msgspec.json.decode(call.body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return call._replace(path=found[2])  # refused there
        return call._replace(path=found[2], body=msgspec.json.encode({**given, "model": unquote(found[1])}))

    def authorise(self, call: Call) -> None:
        if not call.headers.get("api-key", "").strip():
            super().authorise(call)  # a token of the customer's directory

    def plain(self, turn: Turn) -> object:
        said: Any = super().plain(turn)
        for choice in said["choices"]:
            choice["content_filter_results"] = SAFE
        return {**said, "prompt_filter_results": PROMPT}

    def frames(self, turn: Turn) -> Iterator[bytes]:
        """OpenAI's without their padding, after one chunk without a choice that tells of the prompt."""
        beside = turn.chat.model.endswith(_BESIDE)
        yield event({**_nobodys(), "prompt_filter_results": PROMPT, "choices": []})
        for frame in super().frames(turn):
            if frame == DONE:
                break
            said = msgspec.json.decode(frame.removeprefix(b"data: "))
            said.pop("obfuscation", None)
            for choice in [] if beside else said["choices"]:
                stopped = choice["finish_reason"] == "content_filter"
                choice["content_filter_results"] = FILTERED if stopped else SAFE if choice["delta"] else {}
            ended = [choice for choice in said["choices"] if choice["finish_reason"]]
            if beside and ended and ended[0]["finish_reason"] == "content_filter":
                yield _opinion("content_filter", FILTERED)
                continue
            yield event(said)
            if beside and ended:
                yield _opinion(None, SAFE)
        yield DONE

    def error(self, row: Row, param: str | None, digest: str) -> object:
        if row.type == "content_filter":
            inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED}
            said = {"message": row.message, "type": None, "param": "prompt", "code": row.code, "status": 400}
            return {"error": {**said, "innererror": inner}}
        if not row.type:
            return {"error": {"code": row.code, "message": row.message}}
        return super().error(row, param, digest)

    def headers(self, digest: str) -> Headers:
        return (
            (b"apim-request-id", digest.encode()),
            (b"x-ms-region", b"Sandbox"),
            (b"x-ratelimit-remaining-requests", b"99"),
            (b"x-ratelimit-remaining-tokens", b"99999"),
        )


def _nobodys() -> dict[str, Any]:
    return {"id": "", "object": "", "created": 0, "model": ""}


def _opinion(finish: str | None, results: object) -> bytes:
    """What a filter that runs beside the answer thinks of the text so far: a choice without a delta."""
    offsets = {"check_offset": 0, "start_offset": 0, "end_offset": 1}
    choice = {"index": 0, "finish_reason": finish, "content_filter_results": results, "content_filter_offsets": offsets}
    return event({**_nobodys(), "choices": [choice], "usage": None})
