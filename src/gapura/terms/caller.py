"""Who calls: what the directory knows of a key and of the account behind it."""

from typing import Any, Literal

import msgspec

from gapura.terms.budgets import Budget
from gapura.terms.grants import Terms

Status = Literal["active", "warned", "suspended"]

Lifting = Literal["exception", "interim", "no_notice", "release"]
"""Why a policy is lifted for an account: a person granted it · its objection is being looked at · it was not told of
the date, so that the policy warns instead of blocking · it should never have been hit."""


class Lifted(msgspec.Struct, frozen=True):
    """`policy` does not hold for the account from `starts` to before `ends` (UTC microseconds; 0: no end).  `id` names
    it (`exc_…`)."""

    id: str
    policy: str
    kind: Lifting
    reason: str
    starts: int = 0
    ends: int = 0


class Notice(msgspec.Struct, frozen=True):
    """What a campaign has told the account: `effect` under `policy` from `effective_at` on.  `id` names this telling
    (`ntc_…`), which was the campaign's `stage`, at `at` (UTC microseconds).  `silent`: its answers do not say so."""

    id: str
    campaign: str
    policy: str
    stage: str
    effect: Literal["warn", "block", "suspend"]
    effective_at: int
    at: int
    silent: bool = False


class Account(msgspec.Struct, frozen=True):
    """A customer of the operator.  `id` is ours (`acc_…`), `external_id` the operator's own; one `organisation`
    (tenant) may have several.  Limits: 0 is none.  `budget` is the number of tokens granted in all, -1 none set.
    `data_may_go_to`: territories in which the account's data may be processed, empty for anywhere.  What an address
    cannot show: `declared_territory`, `phone_territory` (of a number given at registration), `ownership` (territories
    of those who own more than half, comma separated), `contract` (the operator's own word for the kind of contract).
    `lifted`: the exceptions that stand, or will, beside those in policy documents.
    `notices`: what it has been told is ahead, the last of each campaign.
    `budgets`: those that limit it, its organisation's and its keys' among them.  `grants`: those that are not over, in
    the order in which they are used.  `keeps_responses`: whether its conversations may be kept, where it asks."""

    id: str
    external_id: str
    organisation: str
    name: str = ""
    status: Status = "active"
    language: str = ""
    zone: str = ""
    declared_territory: str = ""
    ownership: str = ""
    contacts: dict[str, str] = {}
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    budget: int = -1
    data_may_go_to: tuple[str, ...] = ()
    created_at: int = 0
    contract: str = ""
    phone_territory: str = ""
    lifted: tuple[Lifted, ...] = ()
    notices: tuple[Notice, ...] = ()
    budgets: tuple[Budget, ...] = ()
    grants: tuple[Terms, ...] = ()
    keeps_responses: bool = False


class Key(msgspec.Struct, frozen=True):
    """An API key without its secret.  `prefix` is the public start of the key, for people to recognise it.
    Scopes: empty is everything the account may.  `expires_at` 0: never (UTC microseconds)."""

    id: str
    account_id: str
    prefix: str
    name: str = ""
    expires_at: int = 0
    revoked: bool = False
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    may_assert_origin: bool = False
    strict: bool = False
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    created_at: int = 0


class Noted:
    """What is noted about a caller for its next request: by `decide` its `standing` to the `rules` of that number, by
    `meter` what applies to it, and under which `book`.  It is no part of who calls: any two are equal."""

    __slots__ = ("book", "dues", "rules", "standing")

    def __init__(self) -> None:
        self.rules = self.standing = 0
        self.book: object = None
        self.dues: dict[Any, Any] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Noted)

    def __hash__(self) -> int:
        return 0


class Caller(msgspec.Struct, frozen=True):
    """A known key and its account, as requests see them.  Whoever changes either makes a new one."""

    key: Key
    account: Account
    noted: Noted = msgspec.field(default_factory=Noted)
