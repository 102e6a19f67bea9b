"""Azure OpenAI (learn.microsoft.com/azure/ai-services/openai/reference, version 2024-10-21, and /v1, 2026-11).

OpenAI's API at a host of the customer's own: the model is the name of a *deployment* and stands in the path, the key
goes into a header of its own, and answers carry what the content filter found.
"""

from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from gapura.errors import UpstreamFailed
from gapura.providers.answers import listed
from gapura.providers.base import Headers, Operation, Reader, Translation
from gapura.providers.faults import Rule, fault
from gapura.providers.native import Native
from gapura.providers.openai import OpenAI
from gapura.providers.passthrough import PassThrough
from gapura.wire.dialect import Kind
from gapura.wire.openai import ChatRequest

GA = "2024-10-21"
"""The newest dated version that is no preview.  `v1`: the path without dates and deployments."""

# Chunks of the content filter's own (learn.microsoft.com, "Content streaming", 2026-01): before the first what it
# thinks of the prompt, by its name of 2024 or of 2023; where it runs beside the answer, what of the text so far.
MARKS = (b'"prompt_filter_results"', b'"prompt_annotations"', b'"content_filter_offsets"')

FAULTS = (
    Rule("policy", r"content_filter|responsibleaipolicyviolation|contentfilter"),
    Rule("policy", message=r"content management policy"),
    Rule("model", r"deploymentnotfound|modelnotfound|invalid_model|operationnotsupported"),
    Rule("failed", r"404", message=r"^resource not found"),  # the address or the version is wrong, not the model
    Rule("credentials", r"401|unauthorized|permissiondenied", message=r"subscription key|access token|api key"),
    Rule("quota", r"insufficientquota|quotaexceeded"),
    Rule("tokens", message=r"token rate limit|tokens per"),
    Rule("requests", r"429|toomanyrequests|ratelimitreached|call rate limit"),
    Rule("timeout", r"408|timeout|operationtimeout"),
    Rule("overloaded", r"nocapacity|noavailablecapacity|serviceunavailable|modeloverloaded"),
    Rule("overloaded", r"503", status=503),
)


class Filtered(PassThrough):
    """Every chunk that is handed on has OpenAI's form.  Of the filter's own only the one that ends the answer does
    something that OpenAI's API has: it is made a chunk of the same answer."""

    marks = MARKS

    def _heard(self, block: bytes, said: dict[Any, Any]) -> bytes:
        choices = [choice for choice in listed(said, "choices") if isinstance(choice, dict)]
        if said.get("usage") or any("delta" in choice for choice in choices):
            return block
        ended = [{"delta": {}, "logprobs": None, **choice} for choice in choices if choice.get("finish_reason")]
        if not ended:
            return b""
        head = {name: self._head().get(name) or said.get(name) for name in ("id", "created", "model")}
        chunk = {**said, **head, "object": "chat.completion.chunk", "choices": ended}
        return b"data: " + msgspec.json.encode(chunk)


class Azure(OpenAI, frozen=True, kw_only=True):
    """`version` is the `api-version` of each request."""

    version: str = GA

    def operation(self, kind: Kind) -> Operation | None:
        if kind == "embeddings":
            return OfDeployment(path="/embeddings", fault=self.fault, azure=self)
        return self if kind == "chat" else None

    def translate(self, body: bytes, chat: ChatRequest, model: str, cap: int | None) -> Translation:
        return replace(super().translate(body, chat, model, cap), path=self.at(model, self.path))

    def at(self, deployment: str, path: str) -> str:
        """Where an operation of a deployment is, below the resource's own address."""
        if self.version == "v1":
            return f"/openai/v1{path}"
        return f"/openai/deployments/{quote(deployment, safe='')}{path}?api-version={self.version}"

    def headers(self, key: str) -> Headers:
        return [(b"api-key", key.encode()), (b"content-type", b"application/json")]

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:  # noqa: ARG002 - as in OpenAI's
        return Filtered(self.fault, include_usage=include_usage, choices=choices)

    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        return fault(self.name, FAULTS, status, headers, body, self.clock, native={"invalid", "context"})


class OfDeployment(Native, frozen=True, kw_only=True):
    """Embeddings: as OpenAI's, at the deployment."""

    azure: Azure

    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        return replace(super().translate(body, asked, model, cap), path=self.azure.at(model, self.path))


AZURE = Azure(name="azure")
