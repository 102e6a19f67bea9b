"""What is known of models: limits, ends, and which of them does the work of which."""

import msgspec

from gapura.clock import text
from gapura.console.operations import Call, Operation
from gapura.console.problems import Invalid
from gapura.providers import catalogue, counterparts
from gapura.providers.catalogue import Kind, Model
from gapura.rulebook.documents import nearest
from gapura.terms.rulebook import StandIn


class Filter(msgspec.Struct, forbid_unknown_fields=True):
    """Empty: all.  `ended`: those too that their vendor has ended by now."""

    provider: str = ""
    kind: str = ""
    ended: bool = True


class Listed(msgspec.Struct, frozen=True):
    """A model, or with a `*` a family.  `served`: whether a request may name it here."""

    provider: str
    name: str
    served: bool
    facts: Model


class Models(msgspec.Struct, frozen=True):
    """`as_of` is the date of the facts, `source` where they were read."""

    as_of: str
    source: str
    items: list[Listed]


class Shown(msgspec.Struct, frozen=True):
    """One name.  `served_by`: the targets that a request for it would be sent to here, in this order, before any
    policy; `stands_in`: why these are not the model itself.  `items` are the vendors that have it."""

    name: str
    as_of: str
    served_by: list[str]
    stands_in: str
    items: list[Listed]


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`names` and providers `to` (default: all that are known) separated by commas."""

    names: str
    to: str = ""


class Counterpart(msgspec.Struct, frozen=True):
    """`model` of `provider` does the work of `name`; "" where nobody named one, and `others` are further choices.
    `differs`: fields of the facts in which it falls short of what is known of `name`, in words."""

    name: str
    kind: Kind
    provider: str
    model: str
    others: tuple[str, ...]
    served: bool
    differs: tuple[str, ...]
    note: str


class Mapped(msgspec.Struct, frozen=True):
    """`unknown`: names of which no counterpart is known."""

    as_of: str
    source: str
    items: list[Counterpart]
    unknown: list[str]


async def list_(call: Call, query: Filter) -> Models:
    """Every model that is known, with its limits and its end."""
    known = catalogue.catalogue()
    if query.provider and query.provider not in known.vendors:
        raise Invalid(
            f"there is no provider {query.provider!r}{nearest(query.provider, known.vendors)}", param="provider"
        )
    today = text(call.context.store.clock())[:10]
    found = [
        one
        for one in _listed(call)
        if query.provider in {"", one.provider}
        and query.kind in {"", one.facts.kind}
        and (query.ended or not one.facts.shut_down or today < one.facts.shut_down)
    ]
    return Models(known.as_of, known.source, found)


async def show(call: Call, model: str) -> Shown:
    """One model: who has it, and who would answer for it here.  A provider may stand before it, as `openai:gpt-4o`."""
    provider, _, name = model.rpartition(":")
    rules = call.context.rules()
    route = rules.route(f"{provider}/{name}" if provider else name)
    items = [one for one in _listed(call) if one.name == name and provider in {"", one.provider}]
    if route is None and not items and counterparts.find(name) is None:
        names = {one.name for one in _listed(call)}
        raise Invalid(f"nothing is known of {name!r}{nearest(name, names)}", param="model")
    served_by = [str(target) for target in route.targets] if route else []
    stands_in = route.why if isinstance(route, StandIn) else ""
    return Shown(name, catalogue.catalogue().as_of, served_by, stands_in, items)


async def mapped(call: Call, query: Asked) -> Mapped:
    """What does the work of these models at each vendor, and where it falls short."""
    wanted = [name.strip() for name in query.to.split(",") if name.strip()] or list(catalogue.catalogue().vendors)
    for name in wanted:
        _known(name, "to")
    names = list(dict.fromkeys(name.strip() for name in query.names.split(",") if name.strip()))
    if not names:
        raise Invalid("names: name at least one model", param="names")
    here = call.context.rules().endpoints
    items = [one for name in names for provider in wanted if (one := _counterpart(name, provider, provider in here))]
    known = counterparts.counterparts()
    return Mapped(known.as_of, known.source, items, [name for name in names if counterparts.find(name) is None])


def _known(provider: str, param: str) -> None:
    vendors = catalogue.catalogue().vendors
    if provider not in vendors:
        raise Invalid(f"{param}: there is no provider {provider!r}{nearest(provider, vendors)}", param=param)


def _listed(call: Call) -> list[Listed]:
    here = call.context.rules().endpoints
    return [
        Listed(provider, name, provider in here and "*" not in name, facts)
        for provider, vendor in catalogue.catalogue().vendors.items()
        for name, facts in vendor.models.items()
    ]


def _counterpart(name: str, provider: str, here: bool) -> Counterpart | None:  # noqa: FBT001 - a fact
    entry = counterparts.find(name)
    if entry is None:
        return None
    first, *others = entry.to.get(provider, ("",))
    differs = _differs(_facts(name), catalogue.model(provider, first)) if first else ()
    return Counterpart(name, entry.kind, provider, first, tuple(others), bool(first) and here, differs, entry.note)


def _facts(name: str) -> Model:
    """Of whichever vendor has the name."""
    found = (catalogue.model(vendor, name) for vendor in catalogue.catalogue().vendors)
    return next((facts for facts in found if facts != Model()), Model())


def _differs(one: Model, other: Model) -> tuple[str, ...]:
    """Where `other` has less than `one`, as far as both are known."""
    found = [
        f"{field}: {getattr(other, field):,} instead of {getattr(one, field):,}"
        for field in ("context", "max_output", "inputs")
        if 0 < getattr(other, field) < getattr(one, field)
    ]
    if one.vision and other.vision is False:
        found.append("vision: none")
    if one.dimensions and other.dimensions and one.dimensions[0] not in other.dimensions:
        found.append(f"dimensions: {', '.join(map(str, other.dimensions))} instead of {one.dimensions[0]}")
    if one.kind == "embedding":
        found.append("space: stored vectors must be made anew")
    return tuple(found)


OPERATIONS = (
    Operation("GET", "/models", ("rulebook.read",), list_),
    Operation("GET", "/models/map", ("rulebook.read",), mapped),
    Operation("GET", "/models/{model}", ("rulebook.read",), show),
)
