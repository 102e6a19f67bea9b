"""How many tokens a vendor makes of a text, where it has not said so: by kind of sign, with the band of the error.

The rates are fitted to vendors' own vocabularies (data/tokens.toml); a vendor whose vocabulary nobody has is estimated
as the middle of those that are known, within a band that says so.  What a vendor says it used always wins.

>>> of("openai").estimate("Selamat pagi, dunia!")
6
>>> of("qwen").estimate("你好，世界"), of("qwen").band(1000)
(4, (830, 1180))
>>> of("ernie").calibrated
False
"""

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from gapura.wire.tokens import KINDS, guess, kinds

# What takes a gate's loop a millisecond.
LONG = 64 * 1024

# A vendor of whom nothing is known may cut words as finely as characters, or have a sign for each.
WIDEST = (60, 160)


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thousandths of a token a sign, by kind; `low` and `high` in percent of the estimate: nine of ten texts lie
    between."""

    words: int
    letters: int
    han: int
    others: int
    digits: int
    signs: int
    breaks: int
    low: int
    high: int


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    as_of: str
    vendors: dict[str, Rates]


class Estimator(msgspec.Struct, frozen=True):
    """`calibrated`: whether its rates were fitted to this vendor's own vocabulary."""

    rates: Rates
    calibrated: bool

    def estimate(self, text: str) -> int:
        """Tokens, at least 1 of any text."""
        rates: tuple[int, ...] = msgspec.structs.astuple(self.rates)
        total = sum(count * rate for count, rate in zip(kinds(text), rates, strict=False))
        return max((total + 500) // 1000, bool(text))

    def band(self, estimate: int) -> tuple[int, int]:
        """Between what and what the vendor's own count lies for nine of ten texts of this estimate."""
        return estimate * self.rates.low // 100, -(-estimate * self.rates.high // 100)


def inputs(provider: str, body: bytes) -> int:
    """Input tokens of a request, of which its vendor said nothing.  The signs of its JSON take the place of what the
    vendor adds; a long one is not looked through."""
    if len(body) > LONG:
        return guess(body)
    return of(provider).estimate(body.decode("utf-8", "replace"))


@cache
def measured() -> Measured:
    text = (files("gapura.providers") / "data" / "tokens.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Measured)


@cache
def of(provider: str) -> Estimator:
    """By the name of a provider, known or not."""
    known = measured().vendors
    if provider in known:
        return Estimator(known[provider], calibrated=True)
    low, high = WIDEST
    middle = {name: sum(getattr(rates, name) for rates in known.values()) // len(known) for name in KINDS}
    return Estimator(Rates(**middle, low=low, high=high), calibrated=False)
