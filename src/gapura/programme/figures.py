"""Adds up what grants paid for: by model, by place, and at the prices of the day."""

from collections import defaultdict
from collections.abc import Iterable

from gapura.providers.prices import Prices
from gapura.store.figures import Spend
from gapura.terms.figures import Cost, Flow, ModelUse, PlaceUse, Sum, Use
from gapura.terms.holds import MONEY
from gapura.terms.price import MILLION, exact, rounded


def use(spends: Iterable[Spend], prices: Prices) -> Use:
    """The largest first."""
    models: defaultdict[tuple[str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    units: defaultdict[tuple[str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    places: defaultdict[tuple[str, str], int] = defaultdict(int)
    asked: defaultdict[object, set[str]] = defaultdict(set)
    accounts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    costs: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    unpriced = 0
    for spend in spends:
        amount, model = sum(spend.classes.values()), (spend.provider, spend.model, spend.unit)
        place = spend.territory, spend.unit
        for name, part in spend.classes.items():
            models[model][name] += part
        places[place] += amount
        accounts[place].add(spend.account)
        for name, used in spend.beside.items() if spend.request not in asked[model] else ():
            units[model][name] += used
        for of in (model, place, ""):
            asked[of].add(spend.request)
        priced = _cost(spend, prices)
        if priced is None:
            unpriced += amount
        else:
            costs[priced[0]][0] += priced[1]
            costs[priced[0]][1] += 0 if MONEY in spend.classes else amount
    return Use(
        tuple(
            ModelUse(*model[:2], len(asked[model]), sum(of.values()), dict(sorted(of.items())), units[model], model[2])
            for model, of in sorted(models.items(), key=lambda one: (-sum(one[1].values()), one[0]))
        ),
        tuple(
            PlaceUse(place[0], len(asked[place]), amount, len(accounts[place]), place[1])
            for place, amount in sorted(places.items(), key=lambda one: (-one[1], one[0]))
        ),
        # Rounded once a currency, half up: the sum is of millionths of billionths until then.
        tuple(Cost(name, rounded(asks), tokens) for name, (asks, tokens) in sorted(costs.items())),
        unpriced,
        len(asked[""]),
        sum(places.values()),
    )


def sums(granted: int, flow: Flow, classes: dict[str, int], used: Use, elsewhere: int | None) -> list[Sum]:
    """What must agree, to the token, wherever grants are counted; what was spent `elsewhere` is in no record here."""
    found = [
        Sum("granted by the terms of the grants = by the ledger", granted, flow.granted),
        Sum("spent by the ledger = its classes", flow.spent, sum(classes.values())),
    ]
    if elsewhere is None:
        found.append(Sum("spent by the ledger = paid for requests, by the record", flow.spent, used.amount))
    return found


def _cost(spend: Spend, prices: Prices) -> tuple[str, int] | None:
    """Currency, and millionths of billionths; None where something of it has no price."""
    if MONEY in spend.classes:
        return spend.unit, spend.classes[MONEY] * MILLION
    price = prices.of(spend.provider, spend.model, spend.at)
    asks = exact(price.tiers, spend.inputs, spend.classes) if price is not None else None
    return None if price is None or asks is None else (price.currency, asks)
