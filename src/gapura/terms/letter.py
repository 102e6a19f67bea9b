"""What a customer is told, as values: everything that a notice says, before it has a language or a form."""

import hashlib
from typing import Literal

import msgspec

Kind = Literal["notice", "effective", "correction", "release", "receipt", "decision"]
"""notice: before the date · effective: on it · correction: warned in error · release: no longer affected · receipt: an
objection has arrived · decision: what became of it."""

CODES = {"block": "unsupported_country_region_territory", "suspend": "account_suspended", "warn": ""}
"""By effect, what a program is answered with: `gapura.errors`."""

Outcome = Literal["delivered", "deferred", "refused", "unsure"]
"""delivered: the other side answered for it · deferred: not now · refused: never · unsure: the connection broke after
the text was sent, so it may have arrived."""


def message_id(domain: str, campaign: str, account: str, stage: str, to: str = "") -> str:
    """The same notice has the same one, whenever and however often it is composed; `to` tells a second contact's from
    the first one's.  What stands before the @ is also what its bounces are told by (`token`).

    >>> message_id("example.com", "cmp_1", "acc_1", "T-14")
    '<cfe21035b8feb3f81ac8@example.com>'
    """
    parts = "".join(f"{len(part)}:{part}" for part in (campaign, account, stage, to))
    return f"<{hashlib.blake2b(parts.encode(), digest_size=10).hexdigest()}@{domain}>"


def token(identity: str) -> str:
    """What stands before the @ of a Message-ID.

    >>> token("<cfe21035@example.com>")
    'cfe21035'
    """
    return identity.strip("<> ").partition("@")[0]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Requests from one territory, and on how many distinct days."""

    territory: str
    requests: int
    days: int


class UsedKey(msgspec.Struct, frozen=True, array_like=True):
    """A key of the account that was used from there; `prefix` is the public start of it."""

    prefix: str
    name: str
    requests: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why an account is told.  Times are UTC microseconds; `networks` are shortened (/24, /48) unless the operator
    chose otherwise."""

    first_at: int
    last_at: int
    days: int
    requests: int
    places: tuple[Place, ...] = ()
    keys: tuple[UsedKey, ...] = ()
    networks: tuple[str, ...] = ()


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that does serve the place: an application moves there with one base URL.  `counterparts`: (model that
    is used now, its counterpart there)."""

    provider: str
    name: str
    base_url: str
    counterparts: tuple[tuple[str, str], ...] = ()


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One notice to one contact.  (campaign, account, stage) is written at most once; a retry has its `message_id`.

    `written_at` is its date: the same letter makes the same bytes, however often it is composed.
    `language` and `zone` are the account's ("": the campaign's); `effective_at` in UTC microseconds, `effect` is what
    happens then.  `provider` and `product` are what stops, in the words of people (`OpenAI`, `API`).  `appeal_url` and
    `status_url` "": there is none.  `reason` is free text of a correction, a release or a decision; `granted`: whether
    a decision follows the objection; `answer_by`: until when a receipt promises one (0: it promises no day).
    """

    campaign: str
    account: str
    external_id: str
    stage: str
    kind: Kind
    message_id: str
    to: str
    name: str = ""
    language: str = ""
    zone: str = ""
    provider: str
    product: str
    policy: str
    source: str = ""
    effect: Literal["warn", "block", "suspend"] = "block"
    effective_at: int
    written_at: int
    evidence: Evidence | None = None
    ways: tuple[Way, ...] = ()
    appeal_url: str = ""
    status_url: str = ""
    reason: str = ""
    granted: bool = False
    answer_by: int = 0


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A letter as it is sent: `message` is every byte between DATA and the final dot, `sha256` (hex) is of those.
    `html` and `text` are its two forms, for previews; `sender` is the address that bounces go to."""

    message: bytes
    sha256: str
    message_id: str
    sender: str
    subject: str
    html: str
    text: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt to hand a message over.  `sha256` is of the exact bytes that were handed over;
    `answer` is the other side's own words, `code` its number (SMTP or HTTP, 0: none)."""

    message_id: str
    outcome: Outcome
    at: int
    code: int = 0
    answer: str = ""
    sha256: str = ""


Returning = Literal["hard", "soft", "delayed", "complaint", "delivered", "automatic", "unknown"]
"""hard: the address is none (any more) · soft: this letter did not arrive there, another may · delayed: it is still on
its way · complaint: its reader called it unwanted · delivered: a confirmation · automatic: an answer that a machine
gave · unknown: anything else."""


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """What a message that came back says of one letter.  `token` is that of the letter, `message_id` what was quoted of
    it; "" where there is none.  `status` is an enhanced code (RFC 3463), `answer` what the other server said."""

    kind: Returning
    token: str = ""
    message_id: str = ""
    recipient: str = ""
    status: str = ""
    answer: str = ""


class Arrived(msgspec.Struct, frozen=True):
    """A message that came back; `key` is its own for ever."""

    key: str
    returned: tuple[Returned, ...]
