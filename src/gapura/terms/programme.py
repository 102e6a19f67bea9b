"""A vendor's programme: what is offered to whom, what is claimed, and what speaks against a claim.

offer → claim → vet → grant → watch: each stage makes values of these, and none knows another.
"""

from typing import Literal

import msgspec

from gapura.terms.grants import Category

Way = Literal["code", "invitation", "export", "record"]
"""By a code that was given out, as one who was invited, by an export of former use, by the use that this gateway has
on record."""

State = Literal["filed", "clear", "review", "refused", "approved", "granted", "withdrawn", "revoked"]

MOVES: dict[State, frozenset[State]] = {
    "filed": frozenset({"clear", "review", "refused", "withdrawn"}),
    "clear": frozenset({"review", "refused", "approved", "withdrawn"}),
    "review": frozenset({"clear", "refused", "approved", "withdrawn"}),
    "refused": frozenset({"review"}),
    "approved": frozenset({"granted", "review"}),
    "granted": frozenset({"revoked"}),
    "withdrawn": frozenset(),
    "revoked": frozenset(),
}
"""filed: not looked at yet · clear: nothing speaks against it · review: a person must look · approved: its grants are
being made · revoked: they were taken back as far as they were not spent."""

UNDECIDED: tuple[State, ...] = ("filed", "clear", "review")

Signal = Literal[
    "organisation", "domain", "mailbox", "payment", "device", "evidence", "former_organisation",  # what claims share
    "velocity", "implausible", "unreadable", "ineligible",
]  # fmt: skip
Effect = Literal["ignore", "note", "review", "refuse"]
EFFECTS: tuple[Effect, ...] = ("ignore", "note", "review", "refuse")
"""The stricter comes later."""

SHARED: tuple[Signal, ...] = (
    "organisation", "domain", "mailbox", "payment", "device", "evidence", "former_organisation",
)  # fmt: skip
"""What ties claims together; a refusal falls on the later ones, a review on all of them."""

DEFAULTS: dict[Signal, Effect] = {
    "organisation": "refuse", "domain": "review", "mailbox": "review", "payment": "review", "device": "review",
    "evidence": "review", "former_organisation": "review", "velocity": "review",
    "implausible": "review", "unreadable": "review",
    "ineligible": "refuse",
}  # fmt: skip


class Matched(msgspec.Struct, frozen=True):
    """As much as the former use, `thousandths` of it, at least `least` and at most `cap`."""

    thousandths: int
    cap: int
    least: int = 0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One grant of the offer: a fixed `amount`, or `matched` to the former use.  Good for `days` from when it is made,
    or until `ends` (UTC microseconds); both 0: it never expires.  Scope: empty is all, as in `terms.grants.Terms`."""

    name: str = ""
    amount: int = 0
    matched: Matched | None = None
    days: int = 0
    ends: int = 0
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    priority: int = 50
    category: Category = "migration"


class Eligibility(msgspec.Struct, frozen=True, kw_only=True):
    """Who may claim; what is empty or 0 asks for nothing.

    `ways`: how.  `territories`: where the account says it is.  `contracts`: the operator's word for the kind.
    `made_since`: only accounts made at or after it.  Former use of `former_provider` in the `measured_days` before the
    offer begins: at least `least_tokens`, on at least `least_days` days.
    """

    ways: tuple[Way, ...] = ("code", "invitation", "export", "record")
    territories: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    made_since: int = 0
    former_provider: str = "openai"
    measured_days: int = 90
    least_tokens: int = 0
    least_days: int = 0


class Vetting(msgspec.Struct, frozen=True, kw_only=True):
    """Which ways are approved by the program itself where a claim is clear, and what each signal does.  `velocity`: so
    many claims from one network or one ASN within `velocity_minutes` are too many."""

    automatic: tuple[Way, ...] = ()
    signals: dict[Signal, Effect] = {}
    velocity: int = 20
    velocity_minutes: int = 60

    def effect(self, signal: Signal) -> Effect:
        return self.signals.get(signal, DEFAULTS[signal])


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A programme.  Claims are taken from `starts` (at it) until `ends` (before it).  `wallet`: what it can give in
    all, in `unit`s.  `source` and `as_of`: where its terms stand, and when they were read there.  Evidence is kept for
    `evidence_days` after a claim is filed."""

    id: str
    title: str
    vendor: str
    starts: int
    ends: int
    wallet: int
    unit: str = "tokens"
    source: str = ""
    as_of: str = ""
    evidence_days: int = 180
    grants: tuple[Part, ...]
    eligibility: Eligibility = Eligibility()
    vetting: Vetting = Vetting()


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Former use, as it was read.  `shape` is what it was read from.  Times are UTC microseconds, `days` the distinct
    UTC days with use; `models`: tokens by model.  Only use within the offer's window counts; `outside` are the tokens
    that do not.  `rows` with use, `empty` ones, `columns` that were not read, and what is `strange` about it."""

    shape: str
    organisations: tuple[str, ...] = ()
    first_at: int = 0
    last_at: int = 0
    days: int = 0
    requests: int = 0
    input: int = 0
    output: int = 0
    models: dict[str, int] = {}
    rows: int = 0
    empty: int = 0
    outside: int = 0
    columns: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        return self.input + self.output


class Attribute(msgspec.Struct, frozen=True, order=True):
    """Something that two claims can have in common: `organisation`, `domain`, `mailbox`, `payment`, `device`,
    `evidence`, `former_organisation`, `prefix`, `asn`.  What would name a person or a card is a keyed hash."""

    kind: str
    value: str


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """A claim as it came in, measured.  `made_at` in UTC microseconds; `unreadable`: why its evidence is not read."""

    account: str
    way: Way
    made_at: int
    attributes: tuple[Attribute, ...] = ()
    measured: Measured | None = None
    unreadable: str = ""


class Found(msgspec.Struct, frozen=True, order=True):
    """A signal about a claim: `other` is the claim that it shares something with, "" for none."""

    signal: Signal
    effect: Effect
    other: str = ""
    detail: str = ""
