"""The models that a key may ask for, as OpenAI lists them, or as Anthropic does."""

from typing import Any

from gapura.errors import NotFound
from gapura.providers.catalogue import model
from gapura.request.accept import Exchange
from gapura.request.identify import identify, scoped
from gapura.request.pipeline import Gate
from gapura.terms.rulebook import Route

Item = dict[str, Any]

# Anthropic's SDKs send it with every request.
VERSION = b"anthropic-version"

# When a model was made is no business of a gateway; both dialects want to hear of a time.
NEVER = "1970-01-01T00:00:00Z"


def listed(gate: Gate, exchange: Exchange) -> Item:
    """All of them.  Raises what `identify` raises."""
    routes = _routes(gate, exchange)
    if not _is_anthropics(exchange):
        return {"object": "list", "data": [_openais(name, route) for name, route in routes.items()]}
    names = list(routes)
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
    return {"data": [_anthropics(name) for name in names], "has_more": False, **ends}


def one(gate: Gate, exchange: Exchange, name: str) -> Item:
    """Raises NotFound."""
    route = route_of(gate, exchange, name)
    return _anthropics(name) if _is_anthropics(exchange) else _openais(name, route)


def route_of(gate: Gate, exchange: Exchange, name: str) -> Route:
    """Raises NotFound."""
    route = _routes(gate, exchange).get(name)
    if route is None:
        raise NotFound(f"The model '{name}' does not exist.", param="model", code="model_not_found")
    return route


def _routes(gate: Gate, exchange: Exchange) -> dict[str, Route]:
    caller = identify(exchange.headers, gate.directory, gate.pepper, exchange.at)
    return {name: route for name, route in gate.rules.book.routes.items() if scoped(caller, name)}


def _is_anthropics(exchange: Exchange) -> bool:
    return any(name == VERSION for name, _ in exchange.headers)


def _openais(name: str, route: Route) -> Item:
    """`shutdown_date`: when its vendor ends the model that is asked first."""
    first = route.targets[0]
    ends = model(first.provider, first.model).shut_down or None
    return {"id": name, "object": "model", "created": 0, "owned_by": first.provider, "shutdown_date": ends}


def _anthropics(name: str) -> Item:
    return {"type": "model", "id": name, "display_name": name, "created_at": NEVER}
