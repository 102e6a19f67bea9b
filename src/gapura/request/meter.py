"""What a request may cost is taken before it is sent: a hold is never smaller than what is settled.

requests a minute   one                              of the key and of the account
tokens a minute     what it will probably cost       corrected when it is settled
budget              min(worst case, what is left)    the cap goes upstream as the output limit
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gapura.errors import LimitReached, QuotaSpent
from gapura.providers.catalogue import model
from gapura.terms.caller import Caller
from gapura.terms.rulebook import Target
from gapura.wire.dialect import Asked

# Below so few output tokens an answer is of no use to anybody: refuse instead of cutting it off after a word.
LEAST_OUTPUT = 16

# What the longest answer of a model may cost whose limit nobody has told us: as much as any known one gives.
UNKNOWN_OUTPUT = 131_072

# What an answer probably costs, where the request does not limit it; corrected at settlement.
USUAL_OUTPUT = 256


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
    def give(self, purse: str, amount: int) -> None: ...


class Hold(NamedTuple):
    """`amount` tokens of `purse` ("": no budget applies).  `cap`: output tokens at the most, where the budget limits
    them.  `taken`: (purse, tokens) of all that was taken."""

    amount: int
    purse: str
    cap: int | None
    purses: Purses | None = None
    taken: Sequence[tuple[str, int]] = ()

    def release(self, used: int) -> None:
        """Gives back what was not used."""
        for purse, amount in self.taken:
            if amount > used and self.purses is not None:
                self.purses.give(purse, amount - used)


UNLIMITED = Hold(0, "", None)


async def meter(
    purses: Purses, caller: Caller, asked: Asked, body: bytes, *, targets: Sequence[Target], at: int
) -> Hold:
    """Take it, for whichever of the targets will answer.

    Raises LimitReached with the seconds to wait, QuotaSpent, and Unready where the keeper is needed and away.
    """
    key, account = caller.key, caller.account
    limited = (
        key.requests_per_minute or account.requests_per_minute or key.tokens_per_minute or account.tokens_per_minute
    )
    if not limited and account.budget < 0:
        return UNLIMITED
    requests: list[tuple[str, int]] = []
    taken: list[tuple[str, int]] = []
    try:
        for owner in (key, account):
            if limit := owner.requests_per_minute:
                requests.append(await _minute(purses, "rpm:" + owner.id, 1, limit, at))
            if limit := owner.tokens_per_minute:
                taken.append(await _minute(purses, "tpm:" + owner.id, min(_probable(asked, body), limit), limit, at))
        if account.budget < 0:
            return Hold(0, "", None, purses, taken)
        inputs, output, choices = asked.bound(body), _longest(asked, targets), asked.n or 1
        purse, amount = "tok:" + account.id, inputs + output * choices
        if not purses.take(purse, amount, at):
            amount = await _borrowed(purses, purse, amount, inputs + min(output, LEAST_OUTPUT) * choices, at)
        taken.append((purse, amount))
        cap = (amount - inputs) // choices
        return Hold(amount, purse, cap if cap < output else None, purses, taken)
    except BaseException:
        for purse, amount in requests + taken:
            purses.give(purse, amount)
        raise


async def _minute(purses: Purses, purse: str, wanted: int, limit: int, at: int) -> tuple[str, int]:
    if not purses.take(purse, wanted, at):
        granted = await purses.borrow(purse, wanted, wanted, limit, at)
        if not granted.amount:
            kind = "requests" if purse.startswith("rpm:") else "tokens"
            raise LimitReached(
                f"Rate limit reached: {limit} {kind} a minute. Try again in {granted.retry_after:.0f} s.",
                kind=kind,
                retry_after=granted.retry_after,
            )
    return purse, wanted


async def _borrowed(purses: Purses, purse: str, most: int, least: int, at: int) -> int:
    amount = (await purses.borrow(purse, most, least, 0, at)).amount
    if not amount:
        raise QuotaSpent("The account's token budget is used up. Ask your administrator for more.")
    return amount


def _longest(asked: Asked, targets: Sequence[Target]) -> int:
    """Tokens of one choice of the answer at the most."""
    if asked.output_limit == 0:
        return 0
    ceiling = max([model(target.provider, target.model).max_output or UNKNOWN_OUTPUT for target in targets])
    return min(asked.output_limit or ceiling, ceiling)


def _probable(asked: Asked, body: bytes) -> int:
    limit = USUAL_OUTPUT if asked.output_limit is None else asked.output_limit
    return len(body) // 4 + min(limit, USUAL_OUTPUT) * (asked.n or 1)
