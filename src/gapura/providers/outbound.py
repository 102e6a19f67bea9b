"""One request on its way to one vendor: what is sent, and how its answer is to be read."""

import msgspec

from gapura.providers.base import Loss, Provider
from gapura.terms.rulebook import Route, Target


class Outbound(msgspec.Struct, frozen=True):
    """`include_usage`: whether the caller asked for a stream's usage chunk (we always ask the vendor for it).
    `choices`: how many the answer is to have."""

    provider: Provider
    target: Target
    route: Route
    body: bytes
    losses: tuple[Loss, ...]
    stream: bool
    include_usage: bool
    choices: int = 1
