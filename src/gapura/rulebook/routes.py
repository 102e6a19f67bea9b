"""`[routes]` of a document: what a model's name stands for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.rulebook.documents import BadDocument, below, named, nearest, no_twins, table, tables, term
from gapura.terms.rulebook import Route, Target


class WeightedTarget(msgspec.Struct, frozen=True):
    """A target written as a table."""

    target: str
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


def routes(raw: object, known: Sequence[str]) -> Iterator[Route]:
    """`known`: the providers that there are.  Raises BadDocument."""
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
        no_twins([f"{target.provider}/{target.model}" for target in targets], f"{path}.targets")
        fields |= {"model": model, "targets": [msgspec.to_builtins(target) for target in targets]}
        fields |= named(fields, path, ("data_may_go_to",))
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
