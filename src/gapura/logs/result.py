"""What a back-test answers, as one document: `gapura policy backtest --json`, and what its report is made of.

Counts are integers; shares are for the reader to divide.  Times are UTC microseconds (0: the logs tell none), days
are dates as text (2026-07-09, UTC).  Territories are ISO 3166-1 alpha-2 codes and `XK`; where there is none, the
certainty stands in its place: uncertain, unknown or absent.  `tokens` are 0 where `Reading.has_tokens` is false, and
accounts where `has_accounts` is: an absent column is not a zero.

A request is *hit* where the next policy's effect on it is at least `Question.hit`.  An account that was hit is

    only here     every request that came from a certain place came from one where it is hit, on ≥ `min_days` days
    too few days  the same, on fewer days
    a traveller   it was also seen from a certain place where it is not hit
"""

import msgspec

from gapura.terms.place import Network, SourceAnswer
from gapura.terms.rulebook import Effect

FORMAT = 1
"""Raised when a reader of the former one would misread it; fields may be added without."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A policy as it was asked: `name` is where it came from, `version` its hash, `at` the instant as of which it was
    judged, `policies` are those in it that have a say about the product."""

    name: str
    version: str
    at: int
    policies: tuple[str, ...]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked.  `since` ≤ time of a request < `until` (0: no bound).  `place_data` and `older_place_data` are
    names and dates; "" where there is none to compare with, `against` is None then."""

    product: str
    hit: Effect
    next: Side
    against: Side | None
    since: int
    until: int
    min_days: int
    place_data: str
    older_place_data: str
    site_territory: str


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A line that could not be read, shortened, with what looks like a secret masked."""

    file: str
    line: str
    why: str


class File(msgspec.Struct, frozen=True, kw_only=True):
    """`kind`: combined, json, csv, w3c or parquet.  `lines` holds `unreadable`; `fields` says which field of the file
    was taken for what.  `broken`: why nothing of it was counted, "" where it was read to its end."""

    path: str
    kind: str
    lines: int
    unreadable: int
    outside: int
    fields: dict[str, str]
    broken: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How the logs were read.  `outside`: requests not between `since` and `until`."""

    files: tuple[File, ...]
    lines: int
    unreadable: int
    outside: int
    samples: tuple[Unreadable, ...]
    has_accounts: bool
    has_keys: bool
    has_times: bool
    has_tokens: bool
    first: int
    last: int


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """`addresses` are distinct ones; requests without an account count in `requests` alone."""

    accounts: int = 0
    keys: int = 0
    requests: int = 0
    tokens: int = 0
    addresses: int = 0


class Hit(Count, frozen=True, kw_only=True):
    """Of what was hit.  only_here + too_few_days + travellers = accounts.  `without_account`, `uncertain` (the place
    is not certain) and `hosting` (hosting, VPN, Tor) are requests; `uncertain_accounts` and `hosting_accounts` were
    hit in no other way, so that they are the first to be wrong about."""

    territories: int = 0
    only_here: int = 0
    too_few_days: int = 0
    travellers: int = 0
    without_account: int = 0
    uncertain: int = 0
    uncertain_accounts: int = 0
    hosting: int = 0
    hosting_accounts: int = 0


class EffectRow(msgspec.Struct, frozen=True, kw_only=True):
    """An account stands in the row of every effect that any of its requests has."""

    effect: Effect
    accounts: int
    keys: int
    requests: int
    tokens: int


class TerritoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row a territory (or certainty) that was seen, most hit first.  `blocked` and `released`: requests that the
    policy in force serves and the next one does not, and the other way round."""

    territory: str
    seen: Count
    hit: Count
    only_here: int
    blocked: int
    released: int


class NetworkRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row a kind of network, "" for what no list names."""

    network: Network
    seen: Count
    hit: Count


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    day: str
    requests: int
    hit: int
    accounts: int
    hit_accounts: int


class PrefixRow(msgspec.Struct, frozen=True, kw_only=True):
    """A /24 or /48 of hit requests, most requests first."""

    prefix: str
    territory: str
    network: Network
    accounts: int
    requests: int
    tokens: int


class ReasonRow(msgspec.Struct, frozen=True, kw_only=True):
    """What decided: a rule of a policy (`rule` as in explanations: coverage, exception, disagreement …)."""

    effect: Effect
    policy: str
    rule: str
    accounts: int
    requests: int


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """A hit account and key, as in the Parquet file for a campaign.  `standing`: only-here, too-few-days or
    traveller.  `key` is shortened unless it is an id: its first signs, and the first eight of its SHA-256 in hex."""

    account: str
    key: str
    effect: Effect
    standing: str
    days: int
    requests: int
    hit_requests: int
    hit_tokens: int
    first: int
    last: int
    territories: dict[str, int]
    prefixes: tuple[str, ...]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One hit combination, explained; the most frequent of each reason and territory first."""

    account: str
    address: str
    territory: str
    certainty: str
    network: Network
    day: str
    requests: int
    effect: Effect
    policy: str
    rule: str
    because: str
    now: Effect
    answers: tuple[SourceAnswer, ...]


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one territory's requests: their effect `before` and `after`."""

    territory: str
    before: Effect
    after: Effect
    accounts: int
    requests: int
    tokens: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """`blocked`: hit now and not before; `released`: the other way round.  `rows` are all changes of effect, most
    requests first."""

    blocked: Count
    released: Count
    rows: tuple[ChangeRow, ...]


class OverrideRow(msgspec.Struct, frozen=True, kw_only=True):
    """An exception that saved requests: without it their effect would be `otherwise`."""

    account: str
    policy: str
    because: str
    otherwise: Effect
    requests: int
    tokens: int


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer.  `made_at` is when it was asked.  `policy_change`: the next policy against the one in force,
    both over the present place data; `data_change`: the present place data against the older, both under the next
    policy; None where there was nothing to compare with.  Lists are cut to `--top` rows, but for `effects`,
    `territories`, `networks`, `days` and the changes."""

    format: int = FORMAT
    made_at: int
    question: Question
    reading: Reading
    seen: Count
    hit: Hit
    effects: tuple[EffectRow, ...]
    territories: tuple[TerritoryRow, ...]
    networks: tuple[NetworkRow, ...]
    days: tuple[DayRow, ...]
    reasons: tuple[ReasonRow, ...]
    prefixes: tuple[PrefixRow, ...]
    accounts: tuple[AccountRow, ...]
    samples: tuple[Sample, ...]
    overrides: tuple[OverrideRow, ...]
    policy_change: Change | None
    data_change: Change | None
