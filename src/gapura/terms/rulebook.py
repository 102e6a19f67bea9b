"""What shall be: policies, routes, and the providers that they name.  Small, versioned, swapped whole.

A *pack* is a coverage table (what a provider's own list says of each territory), not rules.  A *policy* applies a
pack to the targets that it guards, with phases, rules and exceptions.  A *route* lists the targets of a model name.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.terms.caller import Status
from gapura.terms.place import Network
from gapura.terms.price import Price

Effect = Literal["allow", "warn", "review", "block"]
"""review: served, marked and queued.  Strictness rises from allow to block."""

STRICTNESS: tuple[Effect, ...] = ("allow", "warn", "review", "block")

Coverage = Literal["supported", "partial", "not_listed"]


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A provider's list, dated and sourced.  `guards` are provider names; `hosts` narrows that to endpoints whose
    host is one of them (empty: every host), since one vendor may run two sites under different terms.  `product` is
    what the list is of: `api`, or something that is not reached through a gateway, such as `chatgpt`.

    `supported` and `partial` list territories.  A pack of `kind` deny lists what is excluded in `excluded` and
    covers the rest.  `excepted` are the parts (ISO 3166-2) that the list takes out of its partial territories; where
    it names none of a territory, nobody can say which part is meant, and all of it stays partial.
    """

    name: str
    as_of: str
    source: str
    guards: tuple[str, ...]
    product: str = "api"
    kind: Literal["allow", "deny"] = "allow"
    hosts: tuple[str, ...] = ()
    supported: frozenset[str] = frozenset()
    partial: dict[str, str] = {}
    excluded: frozenset[str] = frozenset()
    excepted: frozenset[str] = frozenset()
    note: str = ""

    def coverage(self, territory: str, subdivision: str = "") -> Coverage:
        """`subdivision`: the part of the territory, where a source knows it."""
        if territory in self.partial:
            known = subdivision.startswith(f"{territory}-") and len(subdivision) > len("UA-")
            if not known or not any(part.startswith(f"{territory}-") for part in self.excepted):
                return "partial"
            return "not_listed" if subdivision in self.excepted else "supported"
        return "supported" if self.names(territory) == (self.kind == "allow") else "not_listed"

    def names(self, territory: str) -> bool:
        """Whether the list says anything of the territory itself."""
        return territory in self.partial or territory in (self.supported if self.kind == "allow" else self.excluded)


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From `starts` on, territories that the pack does not cover get `effect`.  Half-open, UTC microseconds.
    `told_only`: accounts get it from the day on that a notice named to them, and before that what the former phase
    says."""

    effect: Effect
    starts: int
    zone: str = "UTC"
    told_only: bool = False


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Applies where every condition that it states holds: empty ones hold for all.  `starts` ≤ now < `ends`.

    `territories` may name parts (`UA-43`).  From `declared_territory` to `status` the conditions are on fields of
    the account; `ownership` holds where any owner is one of those named.  `when` is an expression in CEL.
    """

    id: str
    effect: Effect
    accounts: frozenset[str] = frozenset()
    territories: frozenset[str] = frozenset()
    networks: frozenset[Network] = frozenset()
    declared_territory: frozenset[str] = frozenset()
    phone_territory: frozenset[str] = frozenset()
    ownership: frozenset[str] = frozenset()
    contract: frozenset[str] = frozenset()
    organisation: frozenset[str] = frozenset()
    status: frozenset[Status] = frozenset()
    models: tuple[str, ...] = ()
    when: str = ""
    starts: int = 0
    ends: int = 0
    note: str = ""


class Exemption(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lifts one policy for one account (by external id) until `ends` (0: no end)."""

    account: str
    reason: str
    owner: str = ""
    ends: int = 0


class AccountPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an account as such counts as being where the policy does not reach, apart from any one request: it came
    from nowhere else on at least `days` distinct days, or for `months` months, since `starts`; one visit from elsewhere
    resets it.  `action` is what its status becomes."""

    days: Annotated[int, Meta(ge=1, le=366)] = 5
    months: Annotated[int, Meta(ge=1, le=120)] = 6
    action: Literal["warn", "suspend"] = "warn"
    starts: int = 0


class Appeals(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How objections of accounts to the policy are heard: answered within `days`; with `interim`, the policy is lifted
    for the account until then."""

    interim: bool = False
    days: Annotated[int, Meta(ge=1, le=366)] = 14


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One pack, applied.  Without phases the pack's gaps are blocked at once.

    `product`: another product than the pack's own, as `acme/assistant`.  `models`: patterns of those that the policy
    guards, empty for all.  `territories`: whether a territory that the list does not name follows its sovereign;
    `follows` says which do, territory → sovereign, as they stood in the data when the document was read.
    """

    name: str
    pack: Pack
    product: str = ""
    models: tuple[str, ...] = ()
    territories: Literal["literal", "with_sovereign"] = "literal"
    follows: dict[str, str] = {}
    phases: tuple[Phase, ...] = ()
    rules: tuple[Rule, ...] = ()
    exceptions: tuple[Exemption, ...] = ()
    on_unknown: Literal["warn", "deny"] = "deny"
    on_disagreement: Literal["warn", "deny"] = "warn"
    on_error: Literal["warn", "deny"] = "deny"
    on_partial: Literal["allow", "warn", "review"] = "review"
    account_place: AccountPlace | None = None
    appeals: Appeals = Appeals()


class Target(msgspec.Struct, frozen=True, order=True, gc=False):
    """`provider/model`, with its share of the traffic (0: only when those before it may not or cannot serve)."""

    provider: str
    model: str
    weight: int = 0

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a model name stands for: targets in the order of preference.

    `accepts` names the lost fields that this route puts up with.  `data_may_go_to`: territories of processing,
    empty for anywhere.
    """

    model: str
    targets: tuple[Target, ...]
    strict: bool = False
    failover: Literal["same-jurisdiction", "anywhere"] = "same-jurisdiction"
    accepts: frozenset[str] = frozenset()
    data_may_go_to: tuple[str, ...] = ()
    connect_s: Seconds = 5.0
    first_byte_s: Seconds = 600.0
    first_token_s: Seconds = 60.0
    idle_s: Seconds = 60.0


class StandIn(Route, frozen=True, kw_only=True):
    """The route of a name that no provider here has (any more): its targets are counterparts, and every answer says so.
    `why` is a sentence; `weighs`: what it is to lose the model that was asked for (`providers.base.Weight`)."""

    why: str
    weighs: Literal["behavioural", "contract"] = "behavioural"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider is reached.  Its key is not here: a rulebook may be shown to anybody with a role.

    `egress`: from where this gateway calls it, as the operator states that: addresses and territories.  `kind` is how
    it speaks ("": as its name says), and `quirks`, as JSON, in what it differs from its
    kind (`gapura.providers.kinds`)."""

    provider: str
    base_url: str
    processing_territory: str
    egress: tuple[str, ...] = ()
    kind: str = ""
    quirks: str = ""


class Rulebook(msgspec.Struct, frozen=True, kw_only=True):
    """Everything above, as one version.  `version` is the hash of the content: the same rules, the same version.

    `stand_ins`: providers whose models stand for names that nobody here has, in the order of preference; None: all.
    `prices`: the operator's own; the vendors' lists are `gapura.providers.prices`."""

    version: str
    endpoints: tuple[Endpoint, ...]
    routes: dict[str, Route]
    policies: tuple[Policy, ...] = ()
    site_territory: str = ""
    egress_territory: str = ""
    sandbox: bool = False
    stand_ins: tuple[str, ...] | None = None
    prices: tuple[Price, ...] = ()
