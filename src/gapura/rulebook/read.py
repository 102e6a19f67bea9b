"""The operator's documents → a sound Rulebook.

Without `[[policies]]` every dated list that guards a configured endpoint is applied; without a route of its own a
model stands for the one provider that has it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gapura.atlas import packs, territories
from gapura.rulebook.documents import AS_WRITTEN, BadDocument, below, nearest, table, tables, term, when, zone_named
from gapura.rulebook.weigh import RESERVED
from gapura.terms.rulebook import Endpoint, Exemption, Phase, Policy, Route, Rule, Rulebook, Target

T = TypeVar("T")


class WeightedTarget(msgspec.Struct, frozen=True):
    """A target written as a table."""

    target: str
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


def read(
    documents: Mapping[str, Any],
    *,
    endpoints: Sequence[Endpoint],
    models: Mapping[str, Sequence[str]],
    site_territory: str = "",
    egress_territory: str = "",
    sandbox: bool = False,
) -> Rulebook:
    """`documents` holds `routes` and `policies` as in gapura.toml; `models` are the model names of each known
    provider.  Raises BadDocument naming the field and the way out."""
    known = list(dict.fromkeys([*models, *(endpoint.provider for endpoint in endpoints)]))
    routes = {
        model: Route(model=model, targets=(Target(endpoint.provider, model),))
        for endpoint in reversed(endpoints)  # of two providers with the same model, the first has it
        for model in models.get(endpoint.provider, ())
        if "*" not in model  # the catalogue's word for a family
    }
    routes |= {route.model: route for route in _routes(documents.get("routes", {}), known)}
    policies = _policies(documents["policies"]) if "policies" in documents else _default_policies(endpoints)
    book = Rulebook(
        version="",
        endpoints=tuple(endpoints),
        routes=routes,
        policies=tuple(policies),
        site_territory=_territory(site_territory, "GAPURA_SITE_TERRITORY") if site_territory else "",
        egress_territory=_territory(egress_territory, "GAPURA_EGRESS_TERRITORY") if egress_territory else "",
        sandbox=sandbox,
    )
    content = msgspec.json.encode(book, order="sorted")
    return msgspec.structs.replace(book, version=hashlib.sha256(content).hexdigest()[:16])


def _routes(raw: object, known: Sequence[str]) -> Iterator[Route]:
    if not isinstance(raw, Mapping):
        raise BadDocument("routes", 'expected tables, as [routes."gpt-4o-mini"]')
    for model, route in raw.items():
        path = below("routes", model)
        if isinstance(route, Mapping) and "model" in route:
            raise BadDocument(f"{path}.model", f"the route's name is its model, {model!r}")
        fields = table(route, path, Route)
        listed = tables(fields.get("targets", ()), f"{path}.targets")
        targets = [_target(target, where, known) for where, target in listed]
        if not targets:
            raise BadDocument(f"{path}.targets", 'name at least one target, as ["openai/gpt-4o-mini"]')
        _no_twins([f"{target.provider}/{target.model}" for target in targets], f"{path}.targets")
        fields |= {"model": model, "targets": [msgspec.to_builtins(target) for target in targets]}
        fields |= _territories(fields, "data_may_go_to", path)
        yield term(fields, path, Route)


def _target(raw: object, path: str, known: Sequence[str]) -> Target:
    if isinstance(raw, str):
        name, weight = raw, 0
    else:
        weighted = term(table(raw, path, WeightedTarget), path, WeightedTarget)
        name, weight = weighted.target, weighted.weight
    provider, _, model = name.partition("/")
    if not provider or not model:
        raise BadDocument(path, f"{name!r} is not provider/model, as qwen/qwen-plus")
    if provider not in known:
        raise BadDocument(path, f"there is no provider {provider!r}{nearest(provider, known)}")
    return Target(provider, model, weight)


def _policies(raw: object) -> list[Policy]:
    policies = [_policy(policy, path) for path, policy in tables(raw, "policies")]
    _no_twins([policy.name for policy in policies], "policies")
    return policies


def _policy(raw: object, path: str) -> Policy:
    fields = table(raw, path, Policy)
    name = fields.get("pack")
    if not isinstance(name, str):
        raise BadDocument(f"{path}.pack", f"name a pack, as {packs.names()[0]}")
    pack = _or_bad(packs.pack, name, f"{path}.pack")
    phases = [_phase(phase, where) for where, phase in tables(fields.get("phases", ()), f"{path}.phases")]
    _no_twins([str(phase.starts) for phase in phases], f"{path}.phases", "two phases begin at one instant")
    rules = [_rule(rule, where) for where, rule in tables(fields.get("rules", ()), f"{path}.rules")]
    _no_twins([rule.id for rule in rules], f"{path}.rules")
    lifted = tables(fields.get("exceptions", ()), f"{path}.exceptions")
    fields |= {
        "name": fields.get("name", name),
        "pack": msgspec.to_builtins(pack),
        "phases": msgspec.to_builtins(sorted(phases, key=lambda phase: phase.starts)),
        "rules": msgspec.to_builtins(rules),
        "exceptions": [msgspec.to_builtins(_exemption(exemption, where)) for where, exemption in lifted],
    }
    return term(fields, path, Policy)


def _phase(raw: object, path: str) -> Phase:
    fields = table(raw, path, Phase)
    if zone := fields.get("zone"):
        zone_named(str(zone), f"{path}.zone")
    return term(_timed(fields, path, str(zone or "")), path, Phase)


def _rule(raw: object, path: str) -> Rule:
    fields = table(raw, path, Rule)
    rule = term(_timed(fields, path) | _territories(fields, "territories", path), path, Rule)
    if not rule.id or rule.id in RESERVED:
        raise BadDocument(
            f"{path}.id", f"{rule.id!r} cannot name a rule; empty names and {', '.join(RESERVED)} are taken"
        )
    if rule.effect == "allow" and not (rule.territories or rule.accounts or rule.models):
        raise BadDocument(path, "a rule that allows must say what: territories, accounts or models")
    if rule.ends and rule.starts >= rule.ends:
        raise BadDocument(f"{path}.until", "it ends before it begins")
    return rule


def _exemption(raw: object, path: str) -> Exemption:
    exemption = term(_timed(table(raw, path, Exemption), path), path, Exemption)
    for name in ("account", "reason"):
        if not getattr(exemption, name).strip():
            raise BadDocument(f"{path}.{name}", "must not be empty")
    return exemption


def _timed(fields: dict[str, Any], path: str, zone: str = "") -> dict[str, Any]:
    return fields | {
        name: when(fields[name], f"{path}.{written}", zone) for name, written in AS_WRITTEN.items() if name in fields
    }


def _territories(fields: dict[str, Any], name: str, path: str) -> dict[str, list[str]]:
    members = tables(fields.get(name, ()), f"{path}.{name}")
    return {name: [_territory(member, where) for where, member in members]} if members else {}


def _territory(name: object, path: str) -> str:
    if not isinstance(name, str):
        raise BadDocument(path, "expected a territory, as SG or Singapore")
    return _or_bad(territories.resolve, name, path)


def _or_bad(look_up: Callable[[str], T], name: str, path: str) -> T:
    try:
        return look_up(name)
    except ValueError as error:
        raise BadDocument(path, str(error)) from None


def _no_twins(names: Iterable[str], path: str, problem: str = "") -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadDocument(path, problem or f"{name!r} stands there twice")
        seen.add(name)


def _default_policies(endpoints: Iterable[Endpoint]) -> list[Policy]:
    found = [
        name
        for endpoint in endpoints
        for name in packs.guarding(endpoint.provider, urlsplit(endpoint.base_url).hostname or "")
    ]
    return [Policy(name=name, pack=packs.pack(name)) for name in dict.fromkeys(found)]
