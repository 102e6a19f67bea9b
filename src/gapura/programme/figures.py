"""Adds up what grants paid for: by model, by place, and at the prices of the day."""

from collections import defaultdict
from collections.abc import Iterable

from gapura.providers.prices import Prices
from gapura.store.figures import Spend
from gapura.terms.figures import Cost, Flow, ModelUse, PlaceUse, Sum, Use
from gapura.terms.price import rates
from gapura.terms.usage import CLASSES

MILLION = 1_000_000


def use(spends: Iterable[Spend], prices: Prices) -> Use:
    """The largest first."""
    models: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    places: defaultdict[str, int] = defaultdict(int)
    asked: defaultdict[object, set[str]] = defaultdict(set)
    accounts: defaultdict[str, set[str]] = defaultdict(set)
    costs: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    unpriced = 0
    for spend in spends:
        amount, model = sum(spend.classes.values()), (spend.provider, spend.model)
        for name, part in spend.classes.items():
            models[model][name] += part
        places[spend.territory] += amount
        accounts[spend.territory].add(spend.account)
        for of in (model, spend.territory, ""):
            asked[of].add(spend.request)
        priced = _cost(spend, prices)
        if priced is None:
            unpriced += amount
        else:
            costs[priced[0]][0] += priced[1]
            costs[priced[0]][1] += amount
    return Use(
        tuple(
            ModelUse(*model, len(asked[model]), sum(of.values()), dict(sorted(of.items())))
            for model, of in sorted(models.items(), key=lambda one: (-sum(one[1].values()), one[0]))
        ),
        tuple(
            PlaceUse(place, len(asked[place]), tokens, len(accounts[place]))
            for place, tokens in sorted(places.items(), key=lambda one: (-one[1], one[0]))
        ),
        # Rounded once a currency, half up: the sum is of millionths of billionths until then.
        tuple(Cost(name, (exact + MILLION // 2) // MILLION, tokens) for name, (exact, tokens) in sorted(costs.items())),
        unpriced,
        len(asked[""]),
        sum(places.values()),
    )


def sums(granted: int, flow: Flow, classes: dict[str, int], used: Use) -> list[Sum]:
    """What must agree, to the token, wherever grants are counted."""
    return [
        Sum("granted by the terms of the grants = by the ledger", granted, flow.granted),
        Sum("spent by the ledger = its classes", flow.spent, sum(classes.values())),
        Sum("spent by the ledger = paid for requests, by the record", flow.spent, used.tokens),
    ]


def _cost(spend: Spend, prices: Prices) -> tuple[str, int] | None:
    """Currency, and millionths of billionths; None where something of it has no price."""
    price = prices.of(spend.provider, spend.model, spend.at)
    if price is None:
        return None
    each = dict(zip(CLASSES, rates(price.tiers, spend.inputs).of_classes(), strict=True))
    if any(each.get(name, -1) < 0 for name in spend.classes):
        return None
    return price.currency, sum(part * each[name] for name, part in spend.classes.items())
