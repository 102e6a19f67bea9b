"""What the caller asked for → what the target's vendor understands, and whether what is lost on the way is acceptable.

A vendor that has the operation itself gets it; else a conversation in another dialect goes to its chat, and comes back
in the dialect.  Losses are cosmetic, behavioural or contract (`gapura.terms.loss`).  A target that would lose contract
fields is skipped; strict routes and keys refuse behavioural losses too; a route may accept named fields.
"""

from collections.abc import Mapping
from functools import partial

from msgspec.structs import replace

from gapura.errors import BadRequest
from gapura.providers import catalogue
from gapura.providers.base import Provider
from gapura.providers.outbound import Outbound
from gapura.terms.loss import Loss
from gapura.terms.rulebook import Route, StandIn, Target
from gapura.wire import openai
from gapura.wire.dialect import Asked, Carried, Dialect


class Ask:
    """What the caller wants of whichever target serves it.  `cap`: output tokens at the most, by a budget."""

    def __init__(
        self, dialect: Dialect, body: bytes, asked: Asked, route: Route, cap: int | None, *, strict: bool
    ) -> None:
        self.dialect, self.body, self.asked, self.route = dialect, body, asked, route
        self.cap, self.strict = cap, strict
        self.limited = False  # whether somebody counts what it costs
        self.headers: tuple[tuple[bytes, bytes], ...] = ()  # those of the dialect
        self._carried: Carried | None = None

    def as_chat(self) -> Carried | None:
        """The same as a chat request, where there is such a way.  It is made once, however many targets are tried."""
        if self._carried is None and self.dialect.into_chat is not None:
            self._carried = self.dialect.into_chat(self.body)
        return self._carried


class TooMuchLost(Exception):
    """This target would lose `losses`, which neither the route nor the key puts up with."""

    def __init__(self, losses: tuple[Loss, ...]) -> None:
        super().__init__(", ".join(loss.field for loss in losses))
        self.losses = losses


def translate(ask: Ask, target: Target, provider: Provider) -> Outbound:
    """What to send, and what it loses.  Raises TooMuchLost, and BadRequest for what no vendor could read."""
    outbound, route = carry(ask, target, provider), ask.route
    if outbound.losses:
        refused = ("contract", "behavioural") if ask.strict or route.strict else ("contract",)
        names = outbound.carried.names if outbound.carried is not None else {}
        accepted = route.accepts and {*route.accepts, *[_name(field, names) for field in route.accepts]}
        lost = tuple([loss for loss in outbound.losses if loss.weight in refused and loss.field not in accepted])
        if lost:
            raise TooMuchLost(lost)
    return outbound


def carry(ask: Ask, target: Target, provider: Provider) -> Outbound:
    """What would be sent, whatever it loses.  Raises TooMuchLost where the provider has no such operation, and
    BadRequest."""
    route, asked, carried = ask.route, ask.asked, None
    operation = provider.operation(ask.dialect.kind)
    if operation is not None:
        done = operation.translate(ask.body, asked, target.model, ask.cap)
        losses = done.losses
        if ask.headers:
            done = replace(done, headers=(*done.headers, *ask.headers))
    else:
        carried, operation = ask.as_chat(), provider.operation("chat")
        if carried is None or operation is None:
            raise TooMuchLost((Loss(ask.dialect.kind, f"{provider.name} has none", "contract"),))
        asked = openai.read(carried.body)
        done = operation.translate(carried.body, asked, target.model, ask.cap)
        losses = carried.losses + _named(done.losses, carried)
        losses += tuple([Loss(name.decode(), "not sent to this provider", "behavioural") for name, _ in ask.headers])
    if isinstance(route, StandIn):
        losses = (Loss("model", route.why, route.weighs), *losses)
    elif ask.dialect.kind == "embeddings":
        losses += _space(ask, target)
    choices = 1 if losses and any(loss.field == "n" for loss in losses) else asked.n or 1
    finish = partial(ask.dialect.finish, asked) if ask.dialect.finish is not None else None
    return Outbound(
        provider,
        operation,
        target,
        route,
        done,
        losses,
        bool(asked.stream),
        asked.wants_usage,
        choices,
        carried,
        finish,
        (ask.asked.bound(ask.body), ask.cap or asked.output_limit or 0) if ask.limited and done.form else None,
    )


def _space(ask: Ask, target: Target) -> tuple[Loss, ...]:
    """Vectors of two models cannot be compared: those of the model that the caller named, or of the route's first."""
    wanted = ask.asked.model if catalogue.embeds(ask.asked.model) else ask.route.targets[0].model
    if target.model == wanted:
        return ()
    return (Loss("embedding_space", f"vectors of {target.model} are not those of {wanted}", "contract"),)


def _named(losses: tuple[Loss, ...], carried: Carried) -> tuple[Loss, ...]:
    """The losses by the names that the caller's dialect has for the fields of chat."""
    return tuple([Loss(_name(loss.field, carried.names), loss.why, loss.weight) for loss in losses])


def _name(field: str, names: Mapping[str, str]) -> str:
    """
    >>> _name("messages.image_url", {"messages": "input"})
    'input.image_url'
    """
    head, dot, rest = field.partition(".")
    return names.get(field) or names.get(head, head) + dot + rest


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
