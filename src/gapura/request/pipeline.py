"""The river: one request from start to end, top to bottom, whatever its dialect.

Before the first byte a failure is a response, after it the stream's last event; either way it is settled once.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import structlog

from gapura.clock import Clock
from gapura.errors import GapuraError, LimitReached, NotFound, Unpriced, UpstreamFailed
from gapura.providers.outbound import Outbound
from gapura.providers.transport import Transport
from gapura.request.accept import Exchange, accept
from gapura.request.decide import Freshness, decide, servable
from gapura.request.identify import Directory, identify, scoped
from gapura.request.locate import Places, locate
from gapura.request.meter import FREE, Free, Metering, Purses, Question, limited, meter
from gapura.request.notice import Notices
from gapura.request.relay import Way, begin
from gapura.request.remember import Forgetful, Memory, recall
from gapura.request.route import Health, may_follow, next_after, order, told
from gapura.request.settle import Journal, Settling, Tally
from gapura.request.shadow import Shadow
from gapura.request.translate import Ask, TooMuchLost, refusal, translate
from gapura.rulebook.compile import Rules
from gapura.terms import ids
from gapura.terms.caller import Caller
from gapura.terms.rulebook import Route, Target
from gapura.wire.responses.request import ResponsesRequest

log = structlog.get_logger()


@dataclass(slots=True)
class Gate:
    """Everything that a request may touch.  `rules` and `directory` are replaced whole while it runs.

    `ways`: provider → where it is, and the headers with its key.  `running`: what is upstream now, by request id.
    `shadow`: the next version of the rules, where one runs beside them.
    """

    clock: Clock
    pepper: bytes
    max_body: int
    places: Places
    purses: Purses
    journal: Journal
    transport: Transport
    health: Health
    ways: dict[str, Way]
    rules: Rules
    directory: Directory
    freshness: Freshness
    rng: Random = field(default_factory=Random)
    running: dict[str, Settling] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    notices: Notices = field(default_factory=Notices)
    shadow: Shadow | None = None
    memory: Memory = field(default_factory=Forgetful)


async def serve(exchange: Exchange, gate: Gate) -> None:
    """POST /v1/chat/completions, /v1/embeddings and so on: `exchange.dialect` says which.

    Says every failure itself; raises only when cancelled.
    """
    settling = Settling(exchange.id, gate.journal, gate.clock, gate.running, gate.tally)
    try:
        await _serve(exchange, gate, settling)
    except asyncio.CancelledError:
        settling.cut(499, "the caller hung up" if exchange.gone else "the gateway stopped")
        if not exchange.gone:
            raise


async def _serve(exchange: Exchange, gate: Gate, settling: Settling) -> None:
    try:
        body, asked = await accept(exchange, gate.max_body)
        caller = identify(exchange.headers, gate.directory, gate.pepper, exchange.at)
        if isinstance(asked, ResponsesRequest):
            body, asked, exchange.keeping = await recall(gate.memory, caller.account, asked, body)
        rules = gate.rules  # one snapshot for the whole request
        route = _route(rules, caller, asked.model)
        origin = locate(exchange.headers, exchange.peer, caller, gate.places)
        decision = decide(rules, route, caller, origin, exchange.at, ids.beside("dec", exchange.id))
        shadow = gate.shadow.beside(decide, decision, route, caller, origin, exchange.at) if gate.shadow else None
        settling.about(asked, caller, origin, rules.book, decision, shadow)
        exchange.decided(decision)
        if decision.effect == "warn" or (caller.account.notices and decision.open_to):
            exchange.notes += gate.notices.of(rules, decision, caller, origin, exchange.at)
        permitted = servable(decision, rules, fresh=exchange.at <= gate.freshness.fresh_until)
        targets = order(permitted, gate.health, exchange.at, gate.rng, route=route, book=rules.book)
        metering: Metering | Free = FREE
        if limited(caller):
            question = Question(asked, body, exchange.dialect.kind, origin.territory, exchange.at, rules)
            metering = await meter(gate.purses, caller, question)
        settling.held(metering, body)
        ask = Ask(exchange.dialect, body, asked, route, None, strict=caller.key.strict)
        ask.limited = metering.limited
        if wanted := exchange.dialect.headers:
            ask.headers = tuple([header for header in exchange.headers if header[0] in wanted])
        await _answer(exchange, gate, settling, ask, targets, metering)
    except GapuraError as error:
        settling.failed(error, started=exchange.started)
        await exchange.fail(error)
    except Exception:  # the one blanket handler, at the edge: a bug of ours is a 500 and a log line
        log.exception("a request met a bug", request=exchange.id)
        bug = GapuraError("The gateway failed on this request; its operator has the details.")
        settling.failed(bug, started=exchange.started)
        await exchange.fail(bug)


def _route(rules: Rules, caller: Caller, model: str) -> Route:
    route = rules.route(model) if scoped(caller, model) else None
    if route is None:
        raise NotFound(
            f"There is no model '{model}' for this key; see /v1/models.",
            param="model",
            code="model_not_found",
        )
    return route


async def _answer(
    exchange: Exchange, gate: Gate, settling: Settling, ask: Ask, targets: Sequence[Target], metering: Metering | Free
) -> None:
    """Try the targets in order until one begins to answer, then hand its answer on.  One that nobody pays for, or that
    would lose too much, is passed over.  Raises GapuraError."""
    failure: UpstreamFailed | None = None
    short: GapuraError | None = None
    failed: Target | None = None
    lost: list[TooMuchLost] = []
    while targets:
        target, *targets = targets
        if failed is not None and not may_follow(ask.route, failed, target, gate.rules.book):
            continue
        try:
            if metering.limited:
                ask.cap = await metering.hold(target)
            return await _try(exchange, gate, settling, translate(ask, target, gate.ways[target.provider].provider))
        except (LimitReached, Unpriced) as reason:
            if short is None or isinstance(short, Unpriced):  # what was used up is told, before what has no price
                short = reason.bare()
        except TooMuchLost as reason:
            lost.append(reason)
        except UpstreamFailed as error:
            if exchange.started:
                raise
            failure, failed = told(failure, error.bare()), target
            targets = next_after(error, target, targets)
    raise failure or short or refusal(lost)


async def _try(exchange: Exchange, gate: Gate, settling: Settling, outbound: Outbound) -> None:
    """One target.  Raises UpstreamFailed: until the answer has started, another one may be tried."""
    health, target = gate.health, outbound.target
    turn = health.admit(target, gate.clock())
    try:
        settling.open(target, outbound.losses)
        begun = await begin(gate.transport, gate.ways[target.provider], outbound)
        health.began(target, turn)
        exchange.served_by(target, outbound.losses)
        settling.begun(begun)
        await begun.hand_on(exchange, settling.complete)
    except UpstreamFailed as error:
        settling.failure = error
        if paused := health.failed(target, gate.clock(), error, turn):
            log.warning("a target is left alone", target=str(target), seconds=paused, code=error.code)
        raise
    except BaseException:
        health.left(target, gate.clock(), turn)
        raise
    health.worked(target, turn)
