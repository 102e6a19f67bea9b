"""API keys.  The key itself is seen once, by whoever asked for it; what is kept is its keyed hash."""

import hmac
import ipaddress
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gapura.errors import BadRequest, NotFound
from gapura.store import accounts, secrets
from gapura.store.base import Connection, Scope, Shape, mark, marked
from gapura.store.secrets import Secret
from gapura.terms import ids
from gapura.terms.caller import Key

PREFIX = "sk-gp-"
SHAPE = Shape(Key)
SELECT = f"SELECT {SHAPE.columns} FROM key"  # noqa: S608 - column names of ours
IN_SCOPE = "(?2 IS NULL OR account_id IN (SELECT id FROM account WHERE organisation = ?2))"

Limit = Annotated[int, Meta(ge=0, le=2**62)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key that somebody asks for; the fields mean what they mean in `Key`."""

    account_id: str
    name: Annotated[str, Meta(max_length=200)] = ""
    expires_at: Limit = 0
    models: tuple[Name, ...] = ()
    providers: tuple[Name, ...] = ()
    cidrs: tuple[Name, ...] = ()
    may_assert_origin: bool = False
    strict: bool = False
    requests_per_minute: Limit = 0
    tokens_per_minute: Limit = 0


def draw() -> str:
    """A new key, `sk-gp-…`: 256 random bits and a checksum."""
    return secrets.draw(PREFIX)


def create(connection: Connection, scope: Scope, wanted: Wanted, token: str, secret: Secret, at: int) -> Key:
    """Keeps the hash of `token` (from `draw`).  Under an idempotency key the caller shows the token only if `prefix`
    of what comes back is the token's own: otherwise it is the answer of the first time, and that token is gone.

    Raises NotFound for an account that is not there or not in scope, BadRequest for an impossible scope of the key.
    """
    accounts.get(connection, scope, wanted.account_id)
    cidrs = tuple(_network(cidr) for cidr in wanted.cidrs)
    if 0 < wanted.expires_at <= at:
        raise BadRequest("expires_at is over already", param="expires_at")
    said = msgspec.structs.asdict(wanted) | {"cidrs": cidrs}
    key = Key(id=ids.new("key", at), prefix=secrets.public(token, PREFIX), created_at=at, **said)
    connection.execute(
        f"INSERT INTO key ({SHAPE.columns}, digest, pepper_id) VALUES ({SHAPE.marks}, ?, ?)",  # noqa: S608 - ours
        (*SHAPE.row(key), secret.digest(token), secret.pepper_id),
    )
    return key


def bootstrap(connection: Connection, wanted: Wanted, token: str, secret: Secret, at: int) -> Key:
    """The key of GAPURA_BOOTSTRAP_KEY: made at the first start, found at the others.  Another value replaces it: the
    former key is revoked.  One that was revoked stays so.  Raises BadRequest for a weak value."""
    secrets.strong(token, "GAPURA_BOOTSTRAP_KEY")
    row = connection.execute(f"{SELECT} WHERE digest = ?", (secret.digest(token),)).fetchone()
    key = SHAPE.struct(row) if row else create(connection, None, wanted, token, secret, at)
    if (former := marked(connection, "bootstrap_key")) not in {"", key.id}:
        revoke(connection, None, former)
    mark(connection, "bootstrap_key", key.id)
    return key


def get(connection: Connection, scope: Scope, key: str) -> Key:
    """Raises NotFound, also for one of another organisation."""
    row = connection.execute(f"{SELECT} WHERE id = ?1 AND {IN_SCOPE}", (key, scope)).fetchone()
    if row is None:
        raise NotFound(f"there is no key {key}")
    return SHAPE.struct(row)


def by_digest(connection: Connection, digest: bytes) -> Key | None:
    """Whose keyed hash this is, whatever its state; None for nobody's."""
    row = connection.execute(f"SELECT digest, {SHAPE.columns} FROM key WHERE digest = ?", (digest,)).fetchone()  # noqa: S608 - ours
    return SHAPE.struct(row[1:]) if row and hmac.compare_digest(row[0], digest) else None


def revoke(connection: Connection, scope: Scope, key: str) -> Key:
    """For ever; a second time changes nothing.  Raises NotFound."""
    found = get(connection, scope, key)
    connection.execute("UPDATE key SET revoked = 1 WHERE id = ?", (key,))
    return msgspec.structs.replace(found, revoked=True)


def page(connection: Connection, scope: Scope, account: str = "", after: str = "", limit: int = 100) -> list[Key]:
    """Keys behind the id `after`, oldest first, of one account or of all."""
    rows = connection.execute(
        f"{SELECT} WHERE id > ?1 AND {IN_SCOPE} AND (?3 = '' OR account_id = ?3) ORDER BY id LIMIT ?4",
        (after, scope, account, limit),
    )
    return [SHAPE.struct(row) for row in rows]


def digest(connection: Connection, key: str) -> bytes:
    """Under what the directory knows a key.  Raises NotFound."""
    row = connection.execute("SELECT digest FROM key WHERE id = ?", (key,)).fetchone()
    if row is None:
        raise NotFound(f"there is no key {key}")
    return bytes(row[0])


def every(connection: Connection) -> Iterator[tuple[bytes, Key]]:
    """All of them, revoked ones too, for the directory."""
    rows: Iterator[tuple[Any, ...]] = connection.execute(
        f"SELECT digest, {SHAPE.columns} FROM key ORDER BY digest"  # noqa: S608 - column names of ours
    )
    return ((row[0], SHAPE.struct(row[1:])) for row in rows)


def _network(cidr: str) -> str:
    try:
        return str(ipaddress.ip_network(cidr))
    except ValueError as error:
        raise BadRequest(f"cidrs: {error}", param="cidrs") from error
