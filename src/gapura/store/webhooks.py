"""Endpoints of the operator's that are told of events, and the secret that each of them checks signatures with.

A secret is derived from the home's secret, the endpoint's id and how often it was rotated: it is told once, when the
endpoint is added or its secret rotated, and there is nothing in the database to steal.
"""

import base64
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gapura.clock import SECOND
from gapura.errors import BadRequest, NotFound
from gapura.store.base import Conflict, Connection, Shape
from gapura.store.secrets import Secret
from gapura.terms import ids

State = Literal["active", "gone", "removed"]
"""gone: it answered 410, as one does that wants nothing more."""

HOUR = 3600 * SECOND
TOPIC = re.compile(r"[a-z_]+(\.[a-z_]+)*(\.\*)?|\*")
URL = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+")


class Webhook(msgspec.Struct, frozen=True):
    """`topics`: `grant.expired`, or `grant.*`; empty for all.  `account`: only its events, "" for all.
    `generation`: how often its secret was rotated; the one before is good, too, until `former_until`."""

    id: str
    url: str
    topics: tuple[str, ...]
    account: str = ""
    state: State = "active"
    name: str = ""
    created_at: int = 0
    generation: int = 0
    former_until: int = 0

    def wants(self, topic: str, account: str) -> bool:
        return self.account in {"", account} and (not self.topics or any(_covers(one, topic) for one in self.topics))


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An endpoint that somebody asks for; `account` by id."""

    url: Annotated[str, Meta(max_length=2000)]
    topics: tuple[str, ...] = ()
    account: str = ""
    name: Annotated[str, Meta(max_length=200)] = ""


SHAPE = Shape(Webhook)
SELECT = f"SELECT {SHAPE.columns} FROM webhook"  # noqa: S608 - column names of ours


def secrets_of(secret: Secret, webhook: Webhook, at: int) -> list[bytes]:
    """What signatures are made with at this time, 32 bytes each: the newest first."""
    good = [webhook.generation, *([webhook.generation - 1] if at < webhook.former_until else [])]
    return [secret.derive(f"webhook/{webhook.id}" + (f"/{number}" if number else "")) for number in good]


def told(secret: Secret, webhook: Webhook) -> str:
    """The newest secret as the libraries of standardwebhooks.com take it."""
    return "whsec_" + base64.b64encode(secrets_of(secret, webhook, webhook.former_until)[0]).decode()


def add(connection: Connection, wanted: Wanted, at: int) -> Webhook:
    """Raises BadRequest naming the field, NotFound for an account that is not there."""
    check(wanted)
    if wanted.account and not connection.execute("SELECT 1 FROM account WHERE id = ?", (wanted.account,)).fetchone():
        raise NotFound(f"there is no account {wanted.account}", param="account")
    made = Webhook(ids.new("whk", at), wanted.url, wanted.topics, wanted.account, name=wanted.name, created_at=at)
    connection.execute(
        f"INSERT INTO webhook ({SHAPE.columns}) VALUES ({SHAPE.marks})",  # noqa: S608 - ours
        SHAPE.row(made),
    )
    return made


def check(wanted: Wanted) -> None:
    """Raises BadRequest where the URL or a topic cannot be meant."""
    try:
        parts = urlsplit(wanted.url)
        good = bool(URL.fullmatch(wanted.url)) and parts.hostname and parts.port != 0 and not parts.fragment
    except ValueError:
        parts, good = urlsplit(""), False
    if not good:
        raise BadRequest("url: write e.g. https://example.com/hooks/gapura, in ASCII and without spaces", param="url")
    if parts.username is not None:
        raise BadRequest("url: it must not hold a user; the signature says who sends", param="url")
    for number, topic in enumerate(wanted.topics):
        if not TOPIC.fullmatch(topic):
            field = f"topics[{number}]"
            raise BadRequest(f"{field}: write e.g. grant.expired, or grant.* for all of grants", param=field)


def get(connection: Connection, webhook: str) -> Webhook:
    """Raises NotFound."""
    row = connection.execute(f"{SELECT} WHERE id = ?", (webhook,)).fetchone()
    if row is None:
        raise NotFound(f"there is no webhook {webhook}")
    return SHAPE.struct(row)


def every(connection: Connection) -> list[Webhook]:
    """Those that were not removed, oldest first."""
    return [SHAPE.struct(row) for row in connection.execute(f"{SELECT} WHERE state <> 'removed' ORDER BY id")]


def active(connection: Connection) -> list[Webhook]:
    return [webhook for webhook in every(connection) if webhook.state == "active"]


def rotate(connection: Connection, webhook: str, at: int, keep_hours: int) -> Webhook:
    """Gives it another secret, and lets the one before be good for so long.  One from before that is good no more.

    Raises NotFound, and Conflict where it is told nothing more.
    """
    former = get(connection, webhook)
    if former.state != "active":
        raise Conflict(f"{webhook} is {former.state}: it is told nothing more")
    now = msgspec.structs.replace(former, generation=former.generation + 1, former_until=at + keep_hours * HOUR)
    connection.execute(
        "UPDATE webhook SET generation = ?, former_until = ? WHERE id = ?", (now.generation, now.former_until, webhook)
    )
    return now


def end(connection: Connection, webhook: str, state: State) -> Webhook:
    """It is told nothing more; what waited for it is given up.  Raises NotFound."""
    former = get(connection, webhook)
    connection.execute("UPDATE webhook SET state = ? WHERE id = ?", (state, webhook))
    connection.execute(
        "UPDATE webhook_delivery SET state = 'dead', due_at = NULL, answer = ? WHERE webhook = ? AND state = 'waiting'",
        (f"the endpoint is {state}", webhook),
    )
    return msgspec.structs.replace(former, state=state)


def _covers(pattern: str, topic: str) -> bool:
    if pattern.endswith("*"):
        return topic.startswith(pattern[:-1])
    return pattern == topic
