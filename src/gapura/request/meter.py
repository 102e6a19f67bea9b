"""What a request may cost is taken before it is sent: a hold is never smaller than what is settled.

requests a minute   one                                  once, of the key and of the account
tokens a minute     what it will probably cost           once; corrected when it is settled
budgets             min(worst case, what is left)        for a target: all of it from each that applies
who pays            min(worst case, what is left)        for a target: grants in their order, then the account's tokens

Which budgets and grants apply, and what the worst case is, depends on who answers, so they are taken for one target at
a time, before it is tried, and given back before the next one is.  The least that is left caps the answer: the cap goes
upstream as the output limit.
"""

from typing import NamedTuple, Protocol

from gapura.clock import text
from gapura.errors import LimitReached, QuotaSpent, Unpriced
from gapura.providers.catalogue import model
from gapura.terms.budgets import REQUESTS, TOKENS, Budget, span
from gapura.terms.caller import Caller
from gapura.terms.holds import Spent, Taken, Unpaid, charges
from gapura.terms.price import Dearest, Price, dearest
from gapura.terms.rulebook import Target
from gapura.terms.usage import Usage
from gapura.wire.dialect import Asked, Kind

# Below so few output tokens an answer is of no use to anybody: refuse instead of cutting it off after a word.
LEAST_OUTPUT = 16

# What the longest answer of a model may cost whose limit nobody has told us: as much as any known one gives.
UNKNOWN_OUTPUT = 131_072

# What an answer probably costs, where the request does not limit it; corrected at settlement.
USUAL_OUTPUT = 256

NOTHING: Spent = {}

# What a grant's `products` call these ways to ask.
CONVERSATIONS = {"chat", "completions", "responses", "messages"}


class Granted(Protocol):
    """`amount` was taken from the purse; where it is less than the least that helps, it is 0."""

    @property
    def amount(self) -> int: ...
    @property
    def retry_after(self) -> float: ...


class Purses(Protocol):
    """The part of `gapura.gate.purses.Purses` that a request needs."""

    def take(self, purse: str, amount: int, at: int) -> bool: ...
    async def borrow(self, purse: str, want: int, least: int, limit: int, at: int) -> Granted: ...
    async def some(self, purse: str, want: int, at: int) -> int: ...
    def owe(self, purse: str, amount: int) -> None: ...
    def give(self, purse: str, amount: int) -> None: ...


class Prices(Protocol):
    """The part of `gapura.providers.prices.Prices` that a request needs."""

    def of(self, provider: str, model: str, at: int) -> Price | None: ...


class Priced(Protocol):
    """The part of `gapura.rulebook.compile.Rules` that a request needs here: prices are looked at only where money
    is."""

    @property
    def prices(self) -> Prices: ...


class Question(NamedTuple):
    """What is asked, in which way, from which territory ("": unknown), when, and under which rules."""

    asked: Asked
    body: bytes
    kind: Kind
    territory: str
    at: int
    book: Priced

    def price(self, target: Target) -> Price | None:
        return self.book.prices.of(target.provider, target.model, self.at)

    def scope(self, target: Target) -> tuple[str, str, str, str, int]:
        """What grants look at."""
        product = "chat" if self.kind in CONVERSATIONS else self.kind
        return target.provider, target.model, product, self.territory, self.at


class Free:
    """Nothing applies, nothing is taken."""

    limited = False
    amount = 0
    purse = ""
    holds: tuple[Taken, ...] = ()

    async def hold(self, target: Target) -> int | None:  # noqa: ARG002 - the shape of a metering
        return None

    def release(self, usage: Usage) -> None: ...

    def undo(self) -> None: ...


FREE = Free()


class Metering:
    """What is taken for one request.  `purse` and `amount`, or `holds`: see `gapura.terms.record.Opened`."""

    __slots__ = ("_account", "_key", "_minutes", "_once", "_purses", "_question", "_taken", "amount", "holds", "purse")

    limited = True

    def __init__(self, purses: Purses, caller: Caller, question: Question) -> None:
        self._purses, self._question = purses, question
        self._key, self._account = caller.key, caller.account
        self._once: list[Taken] = []  # for the whole request
        self._minutes: list[Taken] = []  # for the target, as what follows
        self._taken: list[Taken] = []
        self.amount, self.purse = 0, ""
        self.holds: tuple[Taken, ...] = ()

    async def once(self) -> None:
        """The minute's limits of key and account.  Raises LimitReached, Unready."""
        purses, at = self._purses, self._question.at
        try:
            for owner in (self._key, self._account):
                if limit := owner.requests_per_minute:
                    purse = "rpm:" + owner.id
                    if not purses.take(purse, 1, at):
                        await self._minute(purse, 1, limit)
                    self._once.append(Taken(purse, 1))
                if limit := owner.tokens_per_minute:
                    purse, want = "tpm:" + owner.id, min(self._probable(), limit)
                    if not purses.take(purse, want, at):
                        await self._minute(purse, want, limit)
                    self._once.append(Taken(purse, want))
        except BaseException:
            self._put_back(self._once)
            raise

    async def hold(self, target: Target) -> int | None:
        """Takes what this target may cost, in place of what was taken for another; output tokens of one choice at the
        most, where that is less than what was asked for.

        Raises LimitReached, QuotaSpent and Unpriced, then nothing is taken; Unready where the keeper is away.
        """
        self._put_back(self._minutes)
        self._put_back(self._taken)
        try:
            return await self._hold(target)
        except BaseException:
            self._put_back(self._minutes)
            self._put_back(self._taken)
            raise

    def release(self, usage: Usage) -> None:
        """Gives back what was not used, and keeps what was.  A request was made, whatever it used."""
        purses, total = self._purses, usage.total
        for one in self._once + self._minutes:
            if one.purse.startswith("tpm:"):
                if one.amount > total:
                    purses.give(one.purse, one.amount - total)
                elif one.amount < total:
                    purses.owe(one.purse, total - one.amount)
        if self.holds:
            paid = charges(self.holds, usage)
            for one in self.holds:
                purses.give(one.purse, one.amount - sum(paid.get(one.purse, NOTHING).values()))
        elif self.purse and self.amount > total:
            purses.give(self.purse, self.amount - total)
        self._once, self._minutes, self._taken = [], [], []
        self.amount, self.purse, self.holds = 0, "", ()

    def undo(self) -> None:
        """Nothing was sent to anybody: all of it goes back."""
        for taken in (self._once, self._minutes, self._taken):
            self._put_back(taken)

    async def _hold(self, target: Target) -> int | None:
        account, asked = self._account, self._question.asked
        inputs, output, choices = asked.bound(self._question.body), _longest(asked, target), asked.n or 1
        outputs, least = output * choices, min(output, LEAST_OUTPUT) * choices
        for budget in account.budgets:
            if budget.applies(self._key.id, target.model):
                outputs = await self._within(budget, target, inputs, outputs, least)
        outputs = await self._pay(target, inputs, outputs, least)
        if outputs < output * choices and account.budgets:
            self._trim(inputs, outputs)
        taken = self._taken
        if len(taken) == 1 and taken[0].purse.startswith("tok:"):
            self.amount, self.purse, self.holds = taken[0].amount, taken[0].purse, ()
        else:
            self.amount, self.purse, self.holds = (inputs + outputs) * bool(taken), "", tuple(taken)
        cap = outputs // choices
        return cap if cap < output else None

    async def _within(self, budget: Budget, target: Target, inputs: int, outputs: int, least: int) -> int:
        """Takes it of a budget; the outputs that it leaves."""
        purse = budget.purse(self._question.at)
        if budget.window == "minute":
            want = 1 if budget.unit == REQUESTS else min(self._probable(), budget.amount)
            if not self._purses.take(purse, want, self._question.at):
                await self._minute(purse, want, budget.amount)
            self._minutes.append(Taken(purse, want))
            return outputs
        if not budget.in_money:
            want = inputs + outputs
            if not self._purses.take(purse, want, self._question.at):
                want = await self._most(purse, want, inputs + least, budget)
            self._taken.append(Taken(purse, want))
            return want - inputs
        price = self._question.price(target)
        each = self._each(price, inputs, budget.unit)
        if price is None or each is None:
            raise Unpriced(
                f"{target} has no price in {budget.unit}, in which a budget of this account is ({budget.id}). "
                "Ask your administrator."
            )
        want = each.most(inputs, outputs)
        if not want or self._purses.take(purse, want, self._question.at):
            self._taken.append(Taken(purse, want, price.tiers))
            return outputs
        amount = await self._most(purse, want, each.most(inputs, least), budget)
        self._taken.append(Taken(purse, amount, price.tiers))
        enough = each.outputs(inputs, amount)
        return outputs if enough is None else min(outputs, enough)

    async def _pay(self, target: Target, inputs: int, outputs: int, least: int) -> int:
        """Takes it of those who pay, in their order; the outputs that they pay for."""
        question, account, rest = self._question, self._account, Unpaid(inputs, outputs)
        for grant in account.grants:
            if not rest.total:
                break
            if not grant.covers(*question.scope(target)):
                continue
            if grant.unit == TOKENS:
                amount = await self._purses.some(grant.purse, rest.total, question.at)
                rest = rest.less(amount)
                self._took(Taken(grant.purse, amount))
                continue
            price = question.price(target)
            each = self._each(price, inputs, grant.unit)
            if price is not None and each is not None:
                want = each.most(rest.inputs, rest.outputs)
                amount = await self._purses.some(grant.purse, want, question.at) if want else 0
                rest = Unpaid(0, 0) if amount == want else rest.less_money(amount, each)
                self._took(Taken(grant.purse, amount, price.tiers))
        if account.budget < 0 or not rest.total:
            return outputs
        purse, want = "tok:" + account.id, rest.total
        if not self._purses.take(purse, want, question.at):
            want = await self._last(purse, want, least - outputs + want)
        self._took(Taken(purse, want))
        return outputs - (rest.total - want)

    def _took(self, one: Taken) -> None:
        if one.amount:
            self._taken.append(one)

    async def _last(self, purse: str, want: int, least: int) -> int:
        """Of the account's own tokens what is left.  Raises QuotaSpent where the answer would be of no use."""
        amount = (await self._purses.borrow(purse, want, max(least, 1), 0, self._question.at)).amount
        if amount < least:
            raise QuotaSpent("The account's token budget is used up. Ask your administrator for more.")
        return amount

    async def _most(self, purse: str, want: int, least: int, budget: Budget) -> int:
        """Of a budget what is left, where that is at least `least`."""
        at = self._question.at
        amount = (await self._purses.borrow(purse, want, max(least, 1), 0, at)).amount
        if not amount:
            ends = span(budget.window, budget.zone, at).ends
            begins = f" It begins anew at {text(ends)}." if ends else " Ask your administrator for more."
            whose = "key" if budget.key else "account" if budget.account else "organisation"
            raise QuotaSpent(f"A budget of this {whose} ({budget.id}) is used up.{begins}")
        return amount

    async def _minute(self, purse: str, wanted: int, limit: int) -> None:
        granted = await self._purses.borrow(purse, wanted, wanted, limit, self._question.at)
        if not granted.amount:
            kind = "requests" if purse.startswith("rpm:") else "tokens"
            raise LimitReached(
                f"Rate limit reached: {limit} {kind} a minute. Try again in {granted.retry_after:.0f} s.",
                kind=kind,
                retry_after=granted.retry_after,
            )

    def _trim(self, inputs: int, outputs: int) -> None:
        """A budget that was asked first may have given more than those who came later leave use for."""
        for number, one in enumerate(self._taken):
            if not one.purse.startswith("bud:"):
                continue
            need = inputs + outputs
            if one.tiers and (each := dearest(one.tiers, inputs)):
                need = each.most(inputs, outputs)
            if one.amount > need:
                self._purses.give(one.purse, one.amount - need)
                self._taken[number] = Taken(one.purse, need, one.tiers)

    def _put_back(self, taken: list[Taken]) -> None:
        for one in taken:
            self._purses.give(one.purse, one.amount)
        taken.clear()

    def _probable(self) -> int:
        asked = self._question.asked
        limit = USUAL_OUTPUT if asked.output_limit is None else asked.output_limit
        return len(self._question.body) // 4 + min(limit, USUAL_OUTPUT) * (asked.n or 1)

    @staticmethod
    def _each(price: Price | None, inputs: int, currency: str) -> Dearest | None:
        """None where the model has no price in this currency: nothing is exchanged."""
        return dearest(price.tiers, inputs) if price is not None and price.currency == currency else None


def limited(caller: Caller) -> bool:
    """Whether anything has to be taken for a request of theirs."""
    key, account = caller.key, caller.account
    return bool(
        account.budget >= 0
        or account.budgets
        or account.grants
        or key.requests_per_minute
        or key.tokens_per_minute
        or account.requests_per_minute
        or account.tokens_per_minute
    )


async def meter(purses: Purses, caller: Caller, question: Question) -> Metering:
    """The limits by the minute are taken; the rest is taken for each target that is tried.

    Raises LimitReached with the seconds to wait, and Unready where the keeper is needed and away.
    """
    metering = Metering(purses, caller, question)
    await metering.once()
    return metering


def _longest(asked: Asked, target: Target) -> int:
    """Tokens of one choice of the answer at the most."""
    if asked.output_limit == 0:
        return 0
    ceiling = model(target.provider, target.model).max_output or UNKNOWN_OUTPUT
    return min(asked.output_limit or ceiling, ceiling)
