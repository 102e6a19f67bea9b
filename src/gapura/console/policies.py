"""What shall be, shown; a document checked before it is put in force; a decision explained."""

import tomllib
from typing import Any

import msgspec

from gapura.console import places
from gapura.console.operations import Call, Intent, Operation
from gapura.console.places import Question
from gapura.errors import NotFound
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.explain import Explanation, explain
from gapura.rulebook.problems import problems
from gapura.settings import DOCUMENTS, FILE_NAMES
from gapura.store import records
from gapura.terms.place import Origin
from gapura.terms.rulebook import Endpoint, Policy, Rulebook, Target


class Shown(msgspec.Struct, frozen=True):
    """The policies in force.  `version` is a hash of everything in the rulebook, routes too."""

    version: str
    sandbox: bool
    site_territory: str
    egress_territory: str
    endpoints: tuple[Endpoint, ...]
    policies: tuple[Policy, ...]
    problems: list[str]


class Checked(msgspec.Struct, frozen=True):
    """`sound`: it could be put in force.  Otherwise `field` and `message` say what cannot be meant.  `problems` are
    what a person should look at; `changed`: whether it differs from what is in force."""

    sound: bool
    version: str = ""
    changed: bool = False
    field: str = ""
    message: str = ""
    problems: list[str] = []


class Asked(Question, forbid_unknown_fields=True, kw_only=True):
    """`model`: a route's name or `provider/model`; "": every provider that is set up."""

    model: str = ""


class Explained(msgspec.Struct, frozen=True):
    """One explanation for each target."""

    origin: Origin
    at: int
    explanations: list[Explanation]


class Decided(msgspec.Struct, frozen=True):
    """A decision that was made, as it stands in the record: the request, the verdicts, what each source said."""

    record: dict[str, Any]


async def show(call: Call) -> Shown:
    """The policies in force, with their version."""
    book = call.context.rules().book
    return Shown(
        version=book.version,
        sandbox=book.sandbox,
        site_territory=book.site_territory,
        egress_territory=book.egress_territory,
        endpoints=book.endpoints,
        policies=book.policies,
        problems=problems(book, call.context.store.clock()),
    )


async def check(call: Call, body: bytes) -> Checked:
    """Reads a gapura.toml as this deployment would, without putting it in force."""
    try:
        book = _read(call, body)
    except BadDocument as error:
        return Checked(sound=False, field=error.path, message=str(error))
    changed = book.version != call.context.rules().book.version
    found = problems(book, call.context.store.clock())
    return Checked(sound=True, version=book.version, changed=changed, problems=found)


async def reload(call: Call) -> Shown:
    """Reads gapura.toml again and puts it in force; every gate has it within a second.  A bad one changes nothing."""
    version = call.context.reload().book.version
    await call.change(Intent("rulebook.reload", version), lambda _: version, str)
    return await show(call)


async def explained(call: Call, query: Asked) -> Explained:
    """What each provider would be for a caller from a place, and every rule that was passed over."""
    who = await places.caller(call, query)
    origin, at = places.origin(call, query, who), places.moment(call, query)
    rules = call.context.rules()
    targets: tuple[Target, ...] = tuple(Target(endpoint.provider, "") for endpoint in rules.book.endpoints)
    if query.model:
        if (route := rules.route(query.model)) is None:
            raise places.no_such_model(query.model)
        targets = route.targets
    told = [explain(rules, target.provider, target.model, origin, who.account, at) for target in targets]
    return Explained(origin, at, told)


async def decision(call: Call, decision: str) -> Decided:
    """What was decided for one request, by the id in its `gapura-decision` header."""
    found = await call.read(lambda db: records.find_decision(db, decision, call.who.scope))
    if found is None:
        raise NotFound(f"there is no decision {decision} in the record (yet: gates' journals are taken in within 2 s)")
    return Decided(found)


def _read(call: Call, body: bytes) -> Rulebook:
    try:
        contents = tomllib.loads(body.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadDocument("document", str(error)) from error
    for name in contents:
        if name not in (*DOCUMENTS, *FILE_NAMES):
            raise BadDocument(name, "there is no such table or setting")
    return call.context.check({name: contents[name] for name in DOCUMENTS if name in contents})


OPERATIONS = (
    Operation("GET", "/policies", ("rulebook.read",), show),
    Operation("POST", "/policies/check", ("rulebook.read",), check),
    Operation("POST", "/policies/reload", ("rulebook.read", "account.write"), reload),
    Operation("GET", "/policies/explain", ("rulebook.read",), explained),
    Operation("GET", "/decisions/{decision}", ("record.read",), decision),
)
