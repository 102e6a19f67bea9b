"""What model names stand for, and where a request would go."""

import msgspec

from gapura.console import places
from gapura.console.operations import Call, Operation
from gapura.console.places import Question
from gapura.errors import GapuraError
from gapura.request.decide import decide, servable
from gapura.terms.place import Origin
from gapura.terms.rulebook import Route
from gapura.terms.verdict import Verdict


class Shown(msgspec.Struct, frozen=True):
    version: str
    routes: list[Route]


class Tried(Question, forbid_unknown_fields=True, kw_only=True):
    """`model`: as a request would name it."""

    model: str


class Way(msgspec.Struct, frozen=True):
    """`tries`: targets that would be tried, in this order (by weight, where there are weights, the first is drawn).
    `last_resort`: tried only where none of those can serve, since whether they may is not certain.  `error`: what the
    caller would get where nothing may serve."""

    origin: Origin
    at: int
    policy_version: str
    verdicts: tuple[Verdict, ...]
    tries: list[str]
    last_resort: list[str]
    error: str = ""


async def show(call: Call) -> Shown:
    """Every route, with its targets in order."""
    book = call.context.rules().book
    return Shown(book.version, [book.routes[model] for model in sorted(book.routes)])


async def tried(call: Call, query: Tried) -> Way:
    """Which targets a request would be sent to, in which order, and why not to the others.  Nothing is sent."""
    who = await places.caller(call, query)
    origin, at, rules = places.origin(call, query, who), places.moment(call, query), call.context.rules()
    if (route := rules.route(query.model)) is None:
        raise places.no_such_model(query.model)
    decision = decide(rules, route, who, origin, at, "")
    way = Way(origin, at, decision.policy_version, decision.verdicts, [], [])
    try:
        open_to = servable(decision, rules, fresh=True)
    except GapuraError as error:
        return msgspec.structs.replace(way, error=error.code or error.message)
    return msgspec.structs.replace(
        way, tries=[str(one) for one in open_to.certain], last_resort=[str(one) for one in open_to.uncertain]
    )


OPERATIONS = (
    Operation("GET", "/routes", ("rulebook.read",), show),
    Operation("GET", "/routes/try", ("rulebook.read",), tried),
)
