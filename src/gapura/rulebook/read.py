"""The operator's documents → a sound Rulebook.

Without `[[policies]]` every dated list that guards a configured endpoint is applied; without a route of its own a
model stands for the one provider that has it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gapura.atlas import packs
from gapura.atlas.territories import resolve
from gapura.providers.kinds import known_as
from gapura.rulebook import stand_ins
from gapura.rulebook.documents import BadDocument, below, territory
from gapura.rulebook.lists import lists
from gapura.rulebook.policies import policies
from gapura.rulebook.prices import prices
from gapura.rulebook.routes import routes
from gapura.terms.rulebook import Endpoint, Policy, Route, Rulebook, Target


def read(
    documents: Mapping[str, Any],
    *,
    endpoints: Sequence[Endpoint],
    models: Mapping[str, Sequence[str]],
    site_territory: str = "",
    egress_territory: str = "",
    sandbox: bool = False,
) -> Rulebook:
    """`documents` holds `routes`, `models`, `packs`, `policies` and `prices` as in gapura.toml; `models` are the model
    names of each known provider.  Raises BadDocument naming the field and the way out."""
    known = list(dict.fromkeys([*models, *(endpoint.provider for endpoint in endpoints)]))
    of_models = {
        model: Route(model=model, targets=(Target(endpoint.provider, model),))
        for endpoint in reversed(endpoints)  # of two providers with the same model, the first has it
        for model in models.get(endpoint.provider, ())
        if "*" not in model  # the catalogue's word for a family
    }
    written = {route.model: route for route in routes(documents.get("routes", {}), known)}
    applied = read_policies(documents, known) if documents.keys() & {"policies", "packs"} else _defaults(endpoints)
    book = Rulebook(
        version="",
        endpoints=tuple(endpoints),
        routes=of_models | written,
        policies=applied,
        site_territory=territory(site_territory, "GAPURA_SITE_TERRITORY", resolve) if site_territory else "",
        egress_territory=territory(egress_territory, "GAPURA_EGRESS_TERRITORY", resolve) if egress_territory else "",
        sandbox=sandbox,
        stand_ins=stand_ins.order(documents.get("models", {}), endpoints),
        prices=tuple(prices(documents.get("prices", {}), known)),
    )
    return msgspec.structs.replace(book, version=version(book))


def read_policies(documents: Mapping[str, Any], providers: Iterable[str]) -> tuple[Policy, ...]:
    """`[[policies]]` and `[packs]` alone.  `providers`: those that lists may guard, besides those of the lists that
    come with Gapura.  Raises BadDocument."""
    shipped = [packs.pack(name) for name in packs.names()]
    own = lists(documents.get("packs", {}), {*providers, *(name for pack in shipped for name in pack.guards)})
    found = policies(documents.get("policies", []), own)
    for name in own.keys() - {policy.pack.name for policy in found}:
        raise BadDocument(below("packs", name), f'no policy applies this list; write [[policies]] with pack = "{name}"')
    return tuple(found)


def version(book: Rulebook) -> str:
    """A hash of what is said, whatever the order of tables and whatever stands there only because nothing was said: a
    field that a later release adds changes no version."""
    content = msgspec.json.encode(_said(book), order="sorted")
    return hashlib.sha256(content).hexdigest()[:16]


def _said(value: Any) -> Any:
    """Without the fields that have their default."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        said = {field.name: getattr(value, field.name) for field in fields}
        return {field.name: _said(said[field.name]) for field in fields if said[field.name] != field.default}
    if isinstance(value, dict):
        return {name: _said(member) for name, member in value.items()}
    return [_said(member) for member in value] if isinstance(value, tuple) else value


def _defaults(endpoints: Iterable[Endpoint]) -> tuple[Policy, ...]:
    found = [
        name
        for endpoint in endpoints
        for known in sorted(known_as(endpoint.provider, endpoint.kind, _host(endpoint)))
        for name in packs.guarding(known, _host(endpoint))
    ]
    return tuple(Policy(name=name, pack=packs.pack(name)) for name in dict.fromkeys(found))


def _host(endpoint: Endpoint) -> str:
    return urlsplit(endpoint.base_url).hostname or ""
