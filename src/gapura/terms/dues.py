"""What applies to a caller's requests to one target: found once, and good until time alone changes it.

Limits by the minute, budgets and grants have scopes and windows, models have prices: to look at all of them for each
request would cost more than to take what they say.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from gapura.terms.budgets import REQUESTS, TOKENS, Budget, span
from gapura.terms.caller import Account, Caller
from gapura.terms.price import Dearest, Price, Tiers, dearest
from gapura.terms.rulebook import Target

NEVER = 2**63 - 1


class Prices(Protocol):
    """The part of `gapura.providers.prices.Prices` that is needed here."""

    def of(self, provider: str, model: str, at: int) -> Price | None: ...
    def until(self, provider: str, model: str, at: int) -> int: ...


class Minute(NamedTuple):
    """A limit by the minute, of requests or of tokens."""

    purse: str
    limit: int
    requests: bool


class Due(NamedTuple):
    """A purse that is asked: of tokens, or of money, then with `tiers`.  `budget`: whose it is; None: whoever pays.
    `always`: what a token costs at the most, where that is the same for all requests."""

    purse: str
    tiers: Tiers = ()
    budget: Budget | None = None
    always: Dearest | None = None

    def each(self, inputs: int) -> Dearest:
        """What a token costs at the most, of a request with so many of input."""
        found = self.always or dearest(self.tiers, inputs)
        assert found is not None  # noqa: S101 - what has no price is no due
        return found


class Dues(NamedTuple):
    """`until` (UTC microseconds) is when it has to be found anew.  `first`: what nearly all requests take, the budgets
    and all that they may cost from who pays first.  `unpriced`: a budget in money that applies, and cannot be counted,
    because the model has no price in its currency."""

    until: int
    minutes: tuple[Minute, ...] = ()
    budgets: tuple[Due, ...] = ()
    grants: tuple[Due, ...] = ()
    first: tuple[Due, ...] = ()
    unpriced: Budget | None = None


def once(caller: Caller) -> tuple[Minute, ...]:
    """The limits by the minute of key and account, whoever answers."""
    found = []
    for owner in (caller.key, caller.account):
        if owner.requests_per_minute:
            found.append(Minute("rpm:" + owner.id, owner.requests_per_minute, requests=True))
        if owner.tokens_per_minute:
            found.append(Minute("tpm:" + owner.id, owner.tokens_per_minute, requests=False))
    return tuple(found)


def dues(caller: Caller, target: Target, product: str, territory: str, at: int, prices: Prices) -> Dues:
    """Grants are in the order in which they pay; whose unit the model has no price in pays nothing."""
    account = caller.account
    counted = [one for one in account.budgets if one.applies(caller.key.id, target.model)]
    price, until = None, NEVER
    if any(one.in_money for one in counted) or any(grant.unit != TOKENS for grant in account.grants):
        price, until = prices.of(target.provider, target.model, at), prices.until(target.provider, target.model, at)
    windows = [one for one in counted if one.window != "minute"]
    ends = [span(one.window, one.zone, at).ends or NEVER for one in windows]
    turns = [time for grant in account.grants for time in (grant.effective, grant.expires) if time > at]
    budgets = tuple([_due(one.purse(at), _tiers(price, one.unit), one) for one in windows])
    grants = tuple(_grants(caller, target, product, territory, at, price))
    return Dues(
        until=min([until, *ends, *turns]),
        minutes=tuple(
            Minute(one.purse(at), one.amount, requests=one.unit == REQUESTS)
            for one in counted
            if one.window == "minute"
        ),
        budgets=budgets,
        grants=grants,
        first=budgets + (grants or _own(account))[:1],
        unpriced=next((one for one in windows if one.in_money and not _tiers(price, one.unit)), None),
    )


def _grants(
    caller: Caller, target: Target, product: str, territory: str, at: int, price: Price | None
) -> Iterator[Due]:
    for grant in caller.account.grants:
        if grant.covers(target.provider, target.model, product, territory, at):
            if grant.unit == TOKENS:
                yield Due(grant.purse)
            elif tiers := _tiers(price, grant.unit):
                yield _due(grant.purse, tiers)


def _own(account: Account) -> tuple[Due, ...]:
    """The account's tokens, where these are counted."""
    return (Due("tok:" + account.id),) if account.budget >= 0 else ()


def _due(purse: str, tiers: Tiers, budget: Budget | None = None) -> Due:
    return Due(purse, tiers, budget, dearest(tiers, 0) if len(tiers) == 1 else None)


def _tiers(price: Price | None, currency: str) -> Tiers:
    """Of a price in this currency; nothing is exchanged."""
    if price is None or price.currency != currency or dearest(price.tiers, NEVER) is None:
        return ()
    return price.tiers
