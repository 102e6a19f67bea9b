"""What models cost, by date, and who says so."""

import msgspec

from gapura.clock import instant
from gapura.console.operations import Call, Operation
from gapura.console.problems import Invalid
from gapura.errors import NotFound
from gapura.providers import prices
from gapura.terms.price import Price


class Of(msgspec.Struct, forbid_unknown_fields=True):
    """ "": of all providers."""

    provider: str = ""


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """`at`: RFC 3339 with offset, "" for now."""

    model: str
    at: str = ""


class Listed(msgspec.Struct, frozen=True):
    """`as_of`: when the vendors' lists were read.  Amounts are billionths of the currency, -1: not known."""

    as_of: str
    items: list[Price]


async def list_(call: Call, query: Of) -> Listed:
    """Every price that is known here: the operator's, and those of the vendors' lists that apply."""
    found = call.context.rules().prices.every()
    wanted = [one for one in found if query.provider in {"", one.provider}]
    wanted.sort(key=lambda one: (one.provider, one.model, one.starts))
    return Listed(prices.shipped().as_of, wanted)


async def show(call: Call, provider: str, query: Asked) -> Price:
    """What a provider's model costs at an instant.  404 where nobody has told: that is not free."""
    try:
        at = instant(query.at) if query.at else call.context.store.clock()
    except ValueError as error:
        raise Invalid(f"at: {error}", param="at") from error
    found = call.context.rules().prices.of(provider, query.model, at)
    if found is None:
        name = f"{provider}/{query.model}"
        raise NotFound(f'nobody has told what {name} costs; write [prices."{name}"] into gapura.toml', param="model")
    return found


OPERATIONS = (
    Operation("GET", "/prices", ("rulebook.read",), list_),
    Operation("GET", "/prices/{provider}", ("rulebook.read",), show),
)
