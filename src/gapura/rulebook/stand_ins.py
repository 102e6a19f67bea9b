"""`[models]` of a document, and who stands in for a name that no provider here has, or has no more.

Applications keep sending names that are shut.  Without a word of the operator such a name is answered by its dated
counterpart (`providers.counterparts`) at the providers that are set up, and every answer names that as a loss; for
embeddings, whose spaces differ, only where a route says so.
"""

from collections.abc import Sequence

from gapura.providers import counterparts
from gapura.providers.catalogue import catalogue, model
from gapura.providers.counterparts import counterpart
from gapura.rulebook.documents import BadDocument, nearest
from gapura.terms.rulebook import Endpoint, StandIn, Target

# What the gateway has endpoints for.
SERVED = frozenset({"chat", "completion", "embedding", "rerank", "moderation"})


def order(raw: object, endpoints: Sequence[Endpoint]) -> tuple[str, ...] | None:
    """The providers that stand in, in the order of preference; None where nothing is said: all that are set up."""
    known = [endpoint.provider for endpoint in endpoints]
    if not isinstance(raw, dict):
        raise BadDocument("models", "expected a table, as [models]")
    for field in raw:
        if field != "counterparts":
            raise BadDocument(f"models.{field}", f"there is no such field{nearest(field, ('counterparts',))}")
    if "counterparts" not in raw:
        return None
    wanted = raw["counterparts"]
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise BadDocument("models.counterparts", 'expected a list of providers, as ["qwen", "glm"]; [] for none')
    named = [*catalogue().vendors, *known]
    for name in wanted:
        if name not in named:
            raise BadDocument("models.counterparts", f"there is no provider {name!r}{nearest(name, named)}")
    return tuple(name for name in dict.fromkeys(wanted) if name in known)


def living(raw: object, endpoints: Sequence[Endpoint], today: str) -> dict[str, tuple[str, ...]]:
    """The models of each vendor, but for those that it has ended by `today` (as 2026-11-29, in UTC) and that others
    stand in for."""
    named = order(raw, endpoints)
    stand_ins = [endpoint.provider for endpoint in endpoints] if named is None else named

    def lives(provider: str, name: str) -> bool:
        ended = model(provider, name).shut_down
        return not ended or today < ended or not _targets(name, stand_ins)

    return {
        provider: tuple(name for name in vendor.models if lives(provider, name))
        for provider, vendor in catalogue().vendors.items()
    }


def route(name: str, stand_ins: Sequence[str]) -> StandIn | None:
    """The counterparts of a name, one of each provider; None where nobody can stand in."""
    if not (targets := _targets(name, stand_ins)):
        return None
    entry = counterparts.find(name)
    kind = entry.kind if entry else "chat"
    why = f"{name} is not served here; it was answered by its counterpart as of {counterparts.counterparts().as_of}"
    if kind == "embedding":
        why = f"{name} is not served here, and the vectors of its counterpart live in another space"
    return StandIn(model=name, targets=targets, why=why, weighs="contract" if kind == "embedding" else "behavioural")


def _targets(name: str, stand_ins: Sequence[str]) -> tuple[Target, ...]:
    entry = counterparts.find(name)
    if entry is None or entry.kind not in SERVED:
        return ()
    found = ((provider, counterpart(name, provider)) for provider in stand_ins)
    return tuple(Target(provider, other) for provider, other in found if other and other != name)
