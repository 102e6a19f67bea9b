"""What a campaign is, as a value: whom it is about, what they are told and when, and what happens on the day.

`T` is the day: `T-14` is fourteen days before it, `T+7` a week after.  Times are UTC microseconds, territories codes.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.shapes import LANGUAGE, TERRITORY, shaped
from gapura.terms.letter import Way

Channel = Literal["mail", "webhook", "header"]
Counting = Literal["mail", "webhook"]
Effect = Literal["warn", "block", "suspend"]
Short = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]
Minutes = Annotated[int, Meta(ge=1, le=10_080)]
Days = Annotated[int, Meta(ge=0, le=3650)]
StageName = Annotated[str, shaped(r"^T([+-][1-9][0-9]{0,3})?\Z", "T, or days before or after it, as T-14 or T+7")]
Code = Annotated[str, TERRITORY]


class Audience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is affected: seen from places that the policy does not cover on at least `min_days` distinct days of the last
    `days`.  `record`: by this gateway's record; `backtest`: those that a back-test's table names.  `only_here`: one
    visit from a covered place makes an account unaffected until it has been outside often enough again.  `territories`
    and `organisations` narrow it; empty: all."""

    source: Literal["record", "backtest"] = "record"
    days: Annotated[int, Meta(ge=1, le=730)] = 90
    min_days: Annotated[int, Meta(ge=1, le=366)] = 1
    only_here: bool = True
    territories: tuple[Code, ...] = ()
    organisations: tuple[Short, ...] = ()


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happens `after_days` days after the day.  By `place`: each request from there, by the policy's phases.  By
    `account`: whoever is affected, from wherever it comes."""

    effect: Effect
    by: Literal["place", "account"] = "place"
    after_days: Days = 0


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hours of the reader's day in which letters go out: `starts` ≤ hour < `ends`."""

    starts: Annotated[int, Meta(ge=0, le=23)] = 9
    ends: Annotated[int, Meta(ge=1, le=24)] = 18


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many letters a minute, to one domain of recipients and in all; `domains` for single ones."""

    per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] = 6000
    per_domain: Annotated[int, Meta(ge=1, le=1_000_000)] = 600
    domains: dict[Short, Annotated[int, Meta(ge=1, le=1_000_000)]] = {}


class Fallback(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`contacts`: roles in the order in which they are written to, the next where one cannot be reached; roles that
    an account has beside them come last.  `header_days`: whoever cannot be reached at all counts as told after warned
    answers on so many distinct days; 0: never, and stays exempt."""

    contacts: tuple[Short, ...] = ("technical", "security", "legal", "billing", "owner")
    header_days: Annotated[int, Meta(ge=0, le=366)] = 0


class Retries(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Minutes until a letter is tried again.  `deferred`: after each time that the other side put it off; after the
    last one the contact counts as not to be reached.  `away`: the most where the relay does not answer at all; then it
    is tried on and on.  `unsure`: until one is sent once more of which nobody knows whether it arrived."""

    deferred: Annotated[tuple[Minutes, ...], Meta(min_length=1, max_length=50)] = (5, 15, 30, 60, 120, 240, 480, 960)
    away: Minutes = 60
    unsure: Minutes = 1


class Campaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`policy` is one of the policy version `version` ("": what is in force when it starts).  `effective_at` is the
    day, `zone` the campaign's own where an account states none, and `language` likewise.  `notice_days`: nobody is
    blocked who was not told at least so long before.  `counts_as_told`: channels by which somebody counts as told,
    beside `fallback.header_days`: mail that was taken, a webhook that was answered 2xx.  `full_addresses`: evidence
    names addresses and not only networks.  `provider`, `product`: what stops, in the words of people.  `ways`: where to
    go instead; empty: the providers of this gateway that serve the place.  `texts`: language → name of a text → other
    words for it."""

    name: Annotated[str, shaped(r"^[a-z0-9][a-z0-9-]{0,62}\Z", "a short name of small letters, digits and hyphens")]
    policy: Short
    version: Annotated[str, Meta(max_length=64)] = ""
    effective_at: Annotated[int, Meta(gt=0, lt=2**62)]
    zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    language: Annotated[str, LANGUAGE] = "en"
    provider: Short = "OpenAI"
    product: Short = "API"
    audience: Audience = Audience()
    plan: tuple[StageName, ...] = ("T-60", "T-30", "T-14", "T-7", "T-1", "T", "T+7")
    notice_days: Days = 14
    acts: tuple[Act, ...] = (Act(effect="block"),)
    channels: tuple[Channel, ...] = ("mail", "header")
    counts_as_told: tuple[Counting, ...] = ("mail",)
    fallback: Fallback = Fallback()
    retries: Retries = Retries()
    hours: Hours = Hours()
    pace: Pace = Pace()
    full_addresses: bool = False
    ways: tuple[Way, ...] = ()
    texts: dict[str, dict[Short, Text]] = {}
    reason: Text = ""


State = Literal["draft", "previewed", "tested", "approved", "running", "paused", "recalled", "finished"]
Move = Literal["change", "preview", "test", "approve", "start", "pause", "resume", "recall", "finish"]

MOVES: dict[State, dict[Move, State]] = {
    "draft": {"change": "draft", "preview": "previewed"},
    "previewed": {"change": "draft", "preview": "previewed", "test": "tested"},
    "tested": {"change": "draft", "preview": "tested", "test": "tested", "approve": "approved"},
    "approved": {"change": "draft", "start": "running", "recall": "recalled"},
    "running": {"pause": "paused", "recall": "recalled", "finish": "finished"},
    "paused": {"resume": "running", "recall": "recalled"},
    "recalled": {},
    "finished": {"recall": "recalled"},
}
"""Nothing is sent or blocked that was not previewed, sent to somebody as a test, and approved, as it stands: whatever
is changed begins anew."""

DeliveryState = Literal[
    "planned",
    "composed",
    "sending",
    "deferred",
    "unsure",
    "delivered",
    "refused",
    "bounced",
    "unreachable",
    "cancelled",
]
DeliveryMove = Literal[
    "compose", "send", "deliver", "defer", "refuse", "lose", "bounce", "readdress", "give_up", "cancel"
]

DELIVERY_MOVES: dict[DeliveryState, dict[DeliveryMove, DeliveryState]] = {
    "planned": {"compose": "composed", "give_up": "unreachable", "cancel": "cancelled"},
    "composed": {"send": "sending", "cancel": "cancelled"},
    "sending": {"deliver": "delivered", "defer": "deferred", "refuse": "refused", "lose": "unsure"},
    "deferred": {"send": "sending", "refuse": "refused", "cancel": "cancelled"},
    "unsure": {"send": "sending", "deliver": "delivered", "bounce": "bounced", "cancel": "cancelled"},
    "delivered": {"bounce": "bounced"},
    "refused": {"readdress": "planned", "give_up": "unreachable"},
    "bounced": {"readdress": "planned", "give_up": "unreachable"},
    "unreachable": {},
    "cancelled": {},
}
"""composed: the letter is written down · sending: it may be under way · unsure: nobody knows whether it arrived, so it
is sent once more as the same message · readdress: the next contact · unreachable: there is no other."""
