"""From an approved claim to the terms of its grants."""

from collections.abc import Iterator

from gapura.clock import SECOND
from gapura.terms.grants import Terms
from gapura.terms.programme import Offer, Part

DAY = 86_400 * SECOND


def amounts(offer: Offer, tokens: int) -> tuple[int, ...]:
    """What each part of the offer gives for a former use of so many tokens.

    A matched part: min(cap, max(least, multiplier x use)), rounded down.
    """
    return tuple(_amount(part, tokens) for part in offer.grants)


def terms(offer: Offer, account: str, tokens: int, grant_ids: tuple[str, ...], at: int) -> Iterator[tuple[int, Terms]]:
    """The grants of a claim, each with the number of its part; parts that give nothing are left out."""
    for number, (part, amount, name) in enumerate(zip(offer.grants, amounts(offer, tokens), grant_ids, strict=True)):
        if not amount:
            continue
        yield (
            number,
            Terms(
                id=name,
                account=account,
                amount=amount,
                unit=offer.unit,
                effective=at,
                expires=at + part.days * DAY if part.days else part.ends,
                models=part.models,
                providers=part.providers,
                products=part.products,
                places=part.places,
                priority=part.priority,
                category=part.category,
                programme=offer.id,
                created_at=at,
            ),
        )


def _amount(part: Part, tokens: int) -> int:
    if part.matched is None:
        return part.amount
    return min(part.matched.cap, max(part.matched.least, tokens * part.matched.thousandths // 1000))
