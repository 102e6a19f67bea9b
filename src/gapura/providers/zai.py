"""Zhipu's API outside the mainland, and its keys as tokens.

Z.ai (docs.z.ai, zai-sdk 0.2.3 `ZaiClient`, 2026-11) is BigModel's API on another host, under another company's terms,
processed elsewhere: a provider of its own, with GLM's tables.
"""

from collections.abc import Callable

from msgspec.structs import replace

from gapura.clock import Clock, system_clock
from gapura.providers.base import Headers, bearer
from gapura.providers.embeddings import Embeddings
from gapura.providers.glm import FAULTS, GLM
from gapura.providers.jwt import token
from gapura.providers.vendor import Vendor


def signing(clock: Clock = system_clock) -> Callable[[str], Headers]:
    """Headers that carry a token instead of the key."""
    return lambda key: bearer(token(key, clock()))


def with_tokens(vendor: Vendor) -> Vendor:
    """The same, asked with tokens."""
    return replace(vendor, key=signing(vendor.clock), expires=True)


# Rerank and moderation are told of the mainland's host only.
ZAI = replace(
    GLM, name="zai", facts="glm", others={"embeddings": Embeddings(name="zai", facts="glm", rules=FAULTS, most=64)}
)
