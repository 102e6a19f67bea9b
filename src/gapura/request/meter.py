"""What a request may cost is taken before it is sent: a hold is never smaller than what is settled.

requests a minute   one                                  once, of the key and of the account
tokens a minute     what it will probably cost           once; corrected when it is settled
budgets             min(worst case, what is left)        for a target: all of it from each that applies
who pays            min(worst case, what is left)        for a target: grants in their order, then the account's tokens

Which budgets and grants apply, and what the worst case is, depends on who answers, so they are taken for one target at
a time, before it is tried, and given back before the next one is.  The least that is left caps the answer: the cap goes
upstream as the output limit.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gapura.clock import text
from gapura.errors import LimitReached, QuotaSpent, Unpriced
from gapura.providers.catalogue import model
from gapura.terms.budgets import Budget, span
from gapura.terms.caller import Caller
from gapura.terms.dues import Due, Dues, Minute, Prices, dues, once
from gapura.terms.holds import BUDGET, Spent, Taken, Unpaid, charges
from gapura.terms.price import dearest
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

# How much is noted of one caller: targets times territories.
REMEMBERED = 256

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
    def take_all(self, wanted: Sequence[Taken], at: int) -> bool: ...
    async def borrow(self, purse: str, want: int, least: int, limit: int, at: int) -> Granted: ...
    async def some(self, purse: str, want: int, at: int) -> int: ...
    def owe(self, purse: str, amount: int) -> None: ...
    def give(self, purse: str, amount: int) -> None: ...


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

    __slots__ = ("_caller", "_minutes", "_once", "_purses", "_question", "_taken", "amount", "holds", "purse")

    limited = True

    def __init__(self, purses: Purses, caller: Caller, question: Question) -> None:
        self._purses, self._caller, self._question = purses, caller, question
        self._once: list[Taken] | None = None  # for the whole request
        self._minutes: list[Taken] | None = None  # for the target, as what follows
        self._taken: list[Taken] = []
        self.amount, self.purse = 0, ""
        self.holds: tuple[Taken, ...] = ()

    def at_once(self, minutes: Sequence[Minute]) -> bool:
        """Takes the limits by the minute of key and account, where nobody has to be asked; else nothing."""
        guess = _probable(self._question)
        wanted = [
            Taken(purse, 1 if requests else guess if guess < limit else limit) for purse, limit, requests in minutes
        ]
        if not self._purses.take_all(wanted, self._question.at):
            return False
        self._once = wanted
        return True

    async def once(self, minutes: Sequence[Minute]) -> None:
        """The same, asking for what is not here.  Raises LimitReached, Unready."""
        self._once = []
        try:
            await self._by_the_minute(minutes, self._once)
        except BaseException:
            self._put_back(self._once)
            raise

    async def hold(self, target: Target) -> int | None:
        """Takes what this target may cost, in place of what was taken for another; output tokens of one choice at the
        most, where that is less than what was asked for.

        Raises LimitReached, QuotaSpent and Unpriced, then nothing is taken; Unready where the keeper is away.
        """
        if self._minutes or self._taken:
            self._give_up()
        question = self._question
        asked, due = question.asked, _dues(self._caller, target, question)
        inputs, output, choices = asked.bound(question.body), _longest(asked, target), asked.n or 1
        wanted = outputs = output * choices
        if due.unpriced is not None:
            raise _unpriced(target, due.unpriced)
        if not due.minutes and self._all_of(due.first, inputs, outputs):
            return None
        least = min(output, LEAST_OUTPUT) * choices
        try:
            if due.minutes:
                self._minutes = []
                await self._by_the_minute(due.minutes, self._minutes)
            for one in due.budgets:
                outputs = await self._within(one, inputs, outputs, least)
            if due.grants or self._caller.account.budget >= 0:
                outputs = await self._pay(due.grants, inputs, outputs, least)
        except BaseException:
            self._give_up()
            raise
        if outputs < wanted and due.budgets:
            self._trim(inputs, outputs)
        self._note(inputs + outputs)
        return outputs // choices if outputs < wanted else None

    def release(self, usage: Usage) -> None:
        """Gives back what was not used, and keeps what was.  A request was made, whatever it used."""
        purses, total = self._purses, usage.total
        for taken in (self._once, self._minutes):
            for one in taken or ():
                if one.purse.startswith("tpm:"):
                    if one.amount > total:
                        purses.give(one.purse, one.amount - total)
                    elif one.amount < total:
                        purses.owe(one.purse, total - one.amount)
        if self.holds:
            paid = charges(self.holds, usage)
            for one in self.holds:
                purses.give(one.purse, one.amount - sum(paid.get(one.purse, NOTHING).values()))
        elif self.amount > total:
            purses.give(self.purse, self.amount - total)
        self._once, self._minutes, self._taken = None, None, []
        self.amount, self.purse, self.holds = 0, "", ()

    def undo(self) -> None:
        """Nothing was sent to anybody: all of it goes back."""
        self._put_back(self._once)
        self._give_up()

    def _give_up(self) -> None:
        self._put_back(self._minutes)
        self._put_back(self._taken)
        self.amount, self.purse, self.holds = 0, "", ()

    def _note(self, total: int) -> None:
        """One purse of tokens is told as it always was; several, or one of another kind, by themselves."""
        taken = self._taken
        if len(taken) == 1 and taken[0].purse.startswith("tok:"):
            self.amount, self.purse = taken[0].amount, taken[0].purse
        elif taken:
            self.amount, self.holds = total, tuple(taken)

    def _all_of(self, first: Sequence[Due], inputs: int, outputs: int) -> bool:
        """Takes all that it may cost from the budgets and from who pays first; False where that needs more than a
        look, then nothing is taken."""
        total = inputs + outputs
        wanted = [
            Taken(one.purse, one.each(inputs).most(inputs, outputs), one.tiers)
            if one.tiers
            else Taken(one.purse, total)
            for one in first
        ]
        if not self._purses.take_all(wanted, self._question.at):
            return False
        self._taken = wanted
        self._note(total)
        return True

    async def _by_the_minute(self, minutes: Sequence[Minute], taken: list[Taken]) -> None:
        purses, question = self._purses, self._question
        for purse, limit, requests in minutes:
            want = 1 if requests else min(_probable(question), limit)
            if not purses.take(purse, want, question.at):
                granted = await purses.borrow(purse, want, want, limit, question.at)
                if not granted.amount:
                    raise _too_many(limit, "requests" if requests else "tokens", granted.retry_after)
            taken.append(Taken(purse, want))

    async def _within(self, one: Due, inputs: int, outputs: int, least: int) -> int:
        """Takes it of a budget; the outputs that it leaves."""
        purses, at, each = self._purses, self._question.at, one.each(inputs) if one.tiers else None
        want = inputs + outputs if each is None else each.most(inputs, outputs)
        if not want or purses.take(one.purse, want, at):
            self._taken.append(Taken(one.purse, want, one.tiers))
            return outputs
        useful = inputs + least if each is None else each.most(inputs, least)
        amount = (await purses.borrow(one.purse, want, max(useful, 1), 0, at)).amount
        if not amount:
            raise _spent(one.budget, at)
        self._taken.append(Taken(one.purse, amount, one.tiers))
        enough = amount - inputs if each is None else each.outputs(inputs, amount)
        return outputs if enough is None else min(outputs, enough)

    async def _pay(self, grants: Sequence[Due], inputs: int, outputs: int, least: int) -> int:
        """Takes it of those who pay, in their order; the outputs that they pay for."""
        purses, account, at, rest = self._purses, self._caller.account, self._question.at, Unpaid(inputs, outputs)
        for one in grants:
            if not rest.inputs and not rest.outputs:
                return outputs
            each = one.each(inputs) if one.tiers else None
            want = rest.total if each is None else each.most(rest.inputs, rest.outputs)
            amount = want
            if want and not purses.take(one.purse, want, at):
                amount = await purses.some(one.purse, want, at)
            rest = (
                Unpaid(0, 0) if amount == want else rest.less(amount) if each is None else rest.less_money(amount, each)
            )
            if amount:
                self._taken.append(Taken(one.purse, amount, one.tiers))
        want = rest.total
        if account.budget < 0 or not want:
            return outputs
        purse, amount = "tok:" + account.id, want
        if not purses.take(purse, want, at):
            useful = want - outputs + least
            amount = (await purses.borrow(purse, want, max(useful, 1), 0, at)).amount
            if amount < useful:
                raise QuotaSpent("The account's token budget is used up. Ask your administrator for more.")
        if amount:
            self._taken.append(Taken(purse, amount))
        return outputs - (want - amount)

    def _trim(self, inputs: int, outputs: int) -> None:
        """A budget that was asked first may have given more than those who came later leave use for."""
        for number, one in enumerate(self._taken):
            if one.purse.startswith(BUDGET):
                each = dearest(one.tiers, inputs) if one.tiers else None
                need = inputs + outputs if each is None else each.most(inputs, outputs)
                if one.amount > need:
                    self._purses.give(one.purse, one.amount - need)
                    self._taken[number] = Taken(one.purse, need, one.tiers)

    def _put_back(self, taken: list[Taken] | None) -> None:
        if taken:
            for one in taken:
                self._purses.give(one.purse, one.amount)
            taken.clear()


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
    metering, noted = Metering(purses, caller, question), caller.noted
    if noted.book is not question.book or len(noted.dues) > REMEMBERED:
        noted.book, noted.dues = question.book, {None: once(caller)}
    minutes: tuple[Minute, ...] = noted.dues[None]
    if minutes and not metering.at_once(minutes):
        await metering.once(minutes)
    return metering


def _dues(caller: Caller, target: Target, question: Question) -> Dues:
    """As it was found before, as long as it is good."""
    known = caller.noted.dues
    key = (target, question.kind, question.territory) if caller.account.grants else target
    found: Dues | None = known.get(key)
    if found is None or question.at >= found.until:
        product = "chat" if question.kind in CONVERSATIONS else question.kind
        found = known[key] = dues(caller, target, product, question.territory, question.at, question.book.prices)
    return found


def _probable(question: Question) -> int:
    asked = question.asked
    limit = USUAL_OUTPUT if asked.output_limit is None else asked.output_limit
    return len(question.body) // 4 + min(limit, USUAL_OUTPUT) * (asked.n or 1)


def _too_many(limit: int, kind: str, wait: float) -> LimitReached:
    said = f"Rate limit reached: {limit} {kind} a minute. Try again in {wait:.0f} s."
    return LimitReached(said, kind=kind, retry_after=wait)


def _spent(budget: Budget | None, at: int) -> QuotaSpent:
    assert budget is not None  # noqa: S101 - whoever limits is one
    ends = span(budget.window, budget.zone, at).ends
    begins = f" It begins anew at {text(ends)}." if ends else " Ask your administrator for more."
    whose = "key" if budget.key else "account" if budget.account else "organisation"
    return QuotaSpent(f"A budget of this {whose} ({budget.id}) is used up.{begins}")


def _unpriced(target: Target, budget: Budget) -> Unpriced:
    return Unpriced(
        f"{target} has no price in {budget.unit}, in which a budget of this account is ({budget.id}). "
        "Ask your administrator."
    )


def _longest(asked: Asked, target: Target) -> int:
    """Tokens of one choice of the answer at the most."""
    if asked.output_limit == 0:
        return 0
    ceiling = model(target.provider, target.model).max_output or UNKNOWN_OUTPUT
    return min(asked.output_limit or ceiling, ceiling)
