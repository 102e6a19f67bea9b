"""Chat → what the target's vendor understands, and whether what is lost on the way is acceptable.

Losses are cosmetic, behavioural or contract (`gapura.providers.base`).  A target that would lose contract fields is
skipped; strict routes and keys refuse behavioural losses too; a route may accept named fields.
"""

from typing import NamedTuple

from gapura.errors import BadRequest
from gapura.providers import PROVIDERS
from gapura.providers.base import Loss
from gapura.providers.outbound import Outbound
from gapura.terms.rulebook import Route, Target
from gapura.wire.openai import ChatRequest


class Ask(NamedTuple):
    """What the caller wants of whichever target serves it.  `cap`: output tokens at the most, by a budget."""

    body: bytes
    chat: ChatRequest
    route: Route
    cap: int | None
    strict: bool


class TooMuchLost(Exception):
    """This target would lose `losses`, which neither the route nor the key puts up with."""

    def __init__(self, losses: tuple[Loss, ...]) -> None:
        super().__init__(", ".join(loss.field for loss in losses))
        self.losses = losses


def translate(ask: Ask, target: Target) -> Outbound:
    """What to send, and what it loses.  Raises TooMuchLost, and BadRequest for what no vendor could read."""
    provider, route = PROVIDERS[target.provider], ask.route
    done = provider.translate(ask.body, ask.chat, target.model, ask.cap)
    if done.losses:
        refused = ("contract", "behavioural") if ask.strict or route.strict else ("contract",)
        lost = tuple(loss for loss in done.losses if loss.weight in refused and loss.field not in route.accepts)
        if lost:
            raise TooMuchLost(lost)
    choices = 1 if done.losses and any(loss.field == "n" for loss in done.losses) else ask.chat.n or 1
    streams, wants_usage = bool(ask.chat.stream), ask.chat.wants_usage
    return Outbound(provider, target, route, done.body, done.losses, streams, wants_usage, choices)


def refusal(skipped: list[TooMuchLost]) -> BadRequest:
    """None of the permitted targets can do what was asked: name the fields."""
    lost = [loss for reason in skipped for loss in reason.losses]
    fields = ", ".join(dict.fromkeys(loss.field for loss in lost))
    why = "; ".join(dict.fromkeys(f"{loss.field}: {loss.why}" for loss in lost))
    return BadRequest(
        f"No provider that may serve this request does all of it ({why}). "
        f"Leave out {fields}, or let the route accept the loss.",
        param=lost[0].field,
        code="unsupported_parameter",
    )
