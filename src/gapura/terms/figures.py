"""What became of a programme, or of an account's grants, in numbers.  Tokens are integers, money int64 billionths: an
`amount` is of whatever its grants are in."""

import msgspec


class Flow(msgspec.Struct, frozen=True):
    """Where what was granted is, by the ledger.  `granted` is the sum of all others; `lent` is with gates,
    `unreconciled` was with gates when the power went out; what `expired`, was `voided` or `clawed_back` is in the
    wallet again."""

    granted: int = 0
    left: int = 0
    lent: int = 0
    spent: int = 0
    unreconciled: int = 0
    expired: int = 0
    voided: int = 0
    clawed_back: int = 0


class Group(msgspec.Struct, frozen=True):
    """Claims alike: of a state, by a way, or with a signal."""

    name: str
    claims: int
    amount: int = 0


class Day(msgspec.Struct, frozen=True):
    """A UTC day: claims filed, and what the ledger moved."""

    day: str
    claims: int = 0
    granted: int = 0
    spent: int = 0
    returned: int = 0


class ModelUse(msgspec.Struct, frozen=True):
    """What grants in `unit` paid for at one model.  `classes`: none is a part of another; `money` where the unit is a
    currency.  `units`: images, seconds and characters of those requests."""

    provider: str
    model: str
    requests: int
    amount: int
    classes: dict[str, int]
    units: dict[str, int]
    unit: str = "tokens"


class PlaceUse(msgspec.Struct, frozen=True):
    """What grants in `unit` paid for from one place."""

    territory: str
    requests: int
    amount: int
    accounts: int
    unit: str = "tokens"


class Cost(msgspec.Struct, frozen=True):
    """What so many tokens would have cost at the prices of their day, and what was paid in money."""

    currency: str
    amount: int
    tokens: int


class Conversion(msgspec.Struct, frozen=True):
    """Accounts: that claimed, were granted, spent something, spent half, spent all; and that stayed, i.e. used other
    models than those of the former provider beyond what grants paid."""

    claimed: int = 0
    granted: int = 0
    used: int = 0
    half: int = 0
    exhausted: int = 0
    stayed: int = 0


class Sum(msgspec.Struct, frozen=True):
    """Two ways to the same number."""

    what: str
    one: int
    other: int

    @property
    def agrees(self) -> bool:
        return self.one == self.other


class Use(msgspec.Struct, frozen=True):
    """By model, by place, by day; `unpriced`: tokens of which nobody told a price."""

    models: tuple[ModelUse, ...] = ()
    places: tuple[PlaceUse, ...] = ()
    costs: tuple[Cost, ...] = ()
    unpriced: int = 0
    requests: int = 0
    amount: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A programme, for its vendor.  `elsewhere`: what of `flow.spent` went through other gateways that share the
    ledger, and is not in `use`; None where none do.  `agree`: whether all sums do."""

    programme: str
    title: str
    vendor: str
    source: str
    unit: str
    state: str
    starts: int
    ends: int
    at: int
    sandbox: bool
    funded: int
    wallet: int
    promised: int
    flow: Flow
    classes: dict[str, int]
    states: tuple[Group, ...]
    ways: tuple[Group, ...]
    signals: tuple[Group, ...]
    conversion: Conversion
    days: tuple[Day, ...]
    use: Use
    elsewhere: int | None
    sums: tuple[Sum, ...]
    agree: bool


class GrantLine(msgspec.Struct, frozen=True):
    """A grant in a statement."""

    grant: str
    programme: str
    state: str
    unit: str
    effective: int
    expires: int
    flow: Flow


class Movement(msgspec.Struct, frozen=True):
    """What the ledger moved of a grant on a UTC day: `grant`, `top_up`, `spend`, `expire`, `void`, `claw_back`."""

    day: str
    grant: str
    kind: str
    amount: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """An account's grants: what it was given, what it used of it, and on what; `elsewhere` as in a report."""

    account: str
    external_id: str
    organisation: str
    name: str
    at: int
    grants: tuple[GrantLine, ...]
    movements: tuple[Movement, ...]
    use: Use
    elsewhere: int | None
    sums: tuple[Sum, ...]
    agree: bool
