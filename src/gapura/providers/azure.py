"""Azure OpenAI (learn.microsoft.com/azure/ai-services/openai/reference, version 2024-10-21, and /v1, 2026-11).

OpenAI's API at a host of the customer's own: the model is the name of a *deployment* and stands in the path, the key
goes into a header of its own, and answers carry what the content filter found.
"""

from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from gapura.errors import UpstreamFailed
from gapura.providers.base import Headers, Operation, Reader, Translation
from gapura.providers.faults import Rule, fault
from gapura.providers.native import Native
from gapura.providers.openai import OpenAI
from gapura.providers.passthrough import PassThrough
from gapura.wire.dialect import Kind
from gapura.wire.openai import ChatRequest

GA = "2024-10-21"
"""The newest dated version that is no preview.  `v1`: the path without dates and deployments."""

# The chunk before the first: what the filter thinks of the prompt, and no choice.  OpenAI's has a choice in each chunk.
PROMPT = b'"prompt_filter_results"'

FAULTS = (
    Rule("policy", r"content_filter|responsibleaipolicyviolation|contentfilter"),
    Rule("policy", message=r"content management policy"),
    Rule("model", r"deploymentnotfound|modelnotfound|invalid_model"),
    Rule("credentials", r"401|unauthorized|permissiondenied", message=r"subscription key|access token|api key"),
    Rule("quota", r"insufficientquota|quotaexceeded"),
    Rule("tokens", message=r"token rate limit|tokens per"),
    Rule("requests", r"429|toomanyrequests|ratelimitreached|call rate limit"),
    Rule("timeout", r"408|timeout|operationtimeout"),
    Rule("overloaded", r"503|noavailablecapacity|serviceunavailable|modeloverloaded", status=503),
)


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
        return PassThrough(self.fault, include_usage=include_usage, choices=choices, withheld=PROMPT)

    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        return fault(self.name, FAULTS, status, headers, body, self.clock, native={"invalid", "context"})


class OfDeployment(Native, frozen=True, kw_only=True):
    """Embeddings: as OpenAI's, at the deployment."""

    azure: Azure

    def translate(self, body: bytes, asked: Any, model: str, cap: int | None) -> Translation:
        return replace(super().translate(body, asked, model, cap), path=self.azure.at(model, self.path))


AZURE = Azure(name="azure")
