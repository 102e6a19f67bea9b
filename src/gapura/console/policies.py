"""What shall be, shown; a document checked before it is put in force; a decision explained."""

from collections.abc import Callable
from typing import Any

import msgspec

from gapura.console import atlas, places, proposals
from gapura.console.atlas import Addresses, Place
from gapura.console.operations import Call, Intent, Operation
from gapura.console.places import Question
from gapura.console.problems import Invalid
from gapura.console.proposals import Findings, Written
from gapura.errors import NotFound
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument, nearest
from gapura.rulebook.explain import Explanation, explain, explain_product
from gapura.rulebook.problems import problems
from gapura.store import records
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.rulebook import Endpoint, Policy, Target


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
    """`sound`: it can be meant.  Otherwise `field` and `message` say what cannot.  `changed`: whether it differs from
    what is in force.  `findings`: its own tests and the lints; `problems`: what else a person should look at."""

    sound: bool
    version: str = ""
    changed: bool = False
    field: str = ""
    message: str = ""
    findings: Findings = Findings(stands=True, tests=[], lints=[])
    problems: list[str] = []


class Asked(Question, forbid_unknown_fields=True, kw_only=True):
    """`model`: a route's name or `provider/model`; "": every provider that is set up.  `product`, as `openai/chatgpt`,
    is asked as front ends ask it, about a `model` by its bare name."""

    model: str = ""
    product: str = ""


class Told(Explanation, frozen=True):
    """`next`: what the policy version in shadow says of the same, None where none runs."""

    next: Explanation | None = None


class Explained(msgspec.Struct, frozen=True):
    """One explanation for each target, or of the product.  `located`: what was found out about the address, with the
    correction that decided, if one did; None where a territory was asked about."""

    origin: Origin
    at: int
    explanations: list[Told]
    located: Place | None


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


async def check(call: Call, query: Written, body: bytes) -> Checked:
    """Reads a gapura.toml or a policy document as this deployment would, runs its tests, and puts nothing in force."""
    try:
        proposal = await proposals.read_any(call, body, query.format)
        findings = await proposals.look(call, proposal)
    except BadDocument as error:
        return Checked(sound=False, field=error.path, message=str(error))
    book = proposal.rules.book
    changed = book.version != call.context.rules().book.version
    found = problems(book, call.context.store.clock())
    return Checked(sound=True, version=book.version, changed=changed, findings=findings, problems=found)


async def reload(call: Call) -> Shown:
    """Reads gapura.toml again and puts it in force; every gate has it within a second.  A bad one changes nothing."""
    version = call.context.reload().book.version
    await call.change(Intent("rulebook.reload", version), lambda _: version, str)
    return await show(call)


async def explained(call: Call, query: Asked) -> Explained:
    """What a provider or a product is for a caller from a place: each rule passed over and why, what every source says
    of the address, what comes next by date, and what the version in shadow says."""
    who = await places.caller(call, query)
    origin, at = places.origin(call, query, who), places.moment(call, query)
    found = await atlas.lookup(call, Addresses((origin.address,))) if origin.address else None
    rules, shadow = call.context.rules(), call.context.shadow()
    told = [_told(rules, shadow, ask, at) for ask in _questions(call, query, origin, who.account)]
    return Explained(origin, at, told, found.items[0] if found else None)


async def decision(call: Call, decision: str) -> Decided:
    """What was decided for one request, by the id in its `gapura-decision` header."""
    found = await call.read(lambda db: records.find_decision(db, decision, call.who.scope))
    if found is None:
        raise NotFound(f"there is no decision {decision} in the record (yet: gates' journals are taken in within 2 s)")
    return Decided(found)


Ask = Callable[[Rules, int], Explanation]


def _questions(call: Call, query: Asked, origin: Origin, account: Account) -> list[Ask]:
    """One for each target, or about the product.  Raises NotFound and Invalid."""
    rules = call.context.rules()
    if query.product:
        if query.product not in rules.products:
            near = nearest(query.product, rules.products)
            raise Invalid(f"product: no policy is for {query.product}{near}", param="product")
        return [lambda by, at: explain_product(by, query.product, origin, account, at, query.model)]
    targets: tuple[Target, ...] = tuple(Target(endpoint.provider, "") for endpoint in rules.book.endpoints)
    if query.model:
        if (route := rules.route(query.model)) is None:
            raise places.no_such_model(query.model)
        targets = route.targets

    def about(target: Target) -> Ask:
        return lambda by, at: explain(by, target.provider, target.model, origin, account, at)

    return [about(target) for target in targets]


def _told(rules: Rules, shadow: Rules | None, ask: Ask, at: int) -> Told:
    now = ask(rules, at)
    fields = {name: getattr(now, name) for name in Explanation.__struct_fields__}
    return Told(**fields, next=ask(shadow, at) if shadow else None)


OPERATIONS = (
    Operation("GET", "/policies", ("rulebook.read",), show),
    Operation("POST", "/policies/check", ("rulebook.read",), check, takes=proposals.MEDIA),
    Operation("POST", "/policies/reload", ("rulebook.read", "account.write"), reload),
    Operation("GET", "/policies/explain", ("rulebook.read",), explained),
    Operation("GET", "/decisions/{decision}", ("record.read",), decision),
)
