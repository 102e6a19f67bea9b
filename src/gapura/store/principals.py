"""Who may change things: people and programs that sign in to the admin API, and what each role may do."""

import hmac
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.errors import BadRequest, Forbidden, NotFound
from gapura.store import secrets
from gapura.store.base import Connection, Scope, Shape, mark, marked
from gapura.store.secrets import Secret
from gapura.terms import ids

PREFIX = "gt-"

Role = Literal["owner", "operator", "approver", "auditor", "account"]
Action = Literal[
    "account.read", "account.write", "account.status",
    "key.read", "key.write",
    "principal.read", "principal.write",
    "rulebook.read", "rulebook.write", "rulebook.activate",
    "usage.read", "record.read", "audit.read",
    "atlas.write", "backup",
    "webhook.read", "webhook.write",
    "exception.read", "exception.write",
    "appeal.read", "appeal.write", "appeal.decide",
    "programme.read", "programme.write", "programme.vet", "programme.approve", "programme.claim",
    "campaign.read", "campaign.write", "campaign.approve",
    "ledger.read", "ledger.close",
]  # fmt: skip

READS: frozenset[Action] = frozenset(
    {
        "account.read", "key.read", "rulebook.read", "usage.read", "record.read", "exception.read", "appeal.read",
        "campaign.read",
    }
)  # fmt: skip
ROLES: dict[Role, frozenset[Action]] = {
    "owner": READS
    | {
        "account.write", "account.status", "key.write", "principal.read", "principal.write", "rulebook.write",
        "rulebook.activate", "audit.read", "atlas.write", "backup", "webhook.read", "webhook.write",
        "exception.write", "appeal.write", "appeal.decide",
        "programme.read", "programme.write", "programme.vet", "programme.approve", "programme.claim",
        "campaign.write", "campaign.approve", "ledger.read", "ledger.close",
    },
    "operator": READS
    | {
        "account.write", "account.status", "key.write", "rulebook.write", "rulebook.activate", "atlas.write", "backup",
        "webhook.read", "webhook.write", "exception.write", "appeal.write",
        "programme.read", "programme.write", "programme.vet", "programme.claim",
        "campaign.write", "ledger.read",
    },
    "approver": READS
    | {
        "account.status", "rulebook.activate", "audit.read", "exception.write", "appeal.write", "appeal.decide",
        "programme.read", "programme.vet", "programme.approve", "campaign.approve",
    },
    "auditor": READS | {"principal.read", "audit.read", "webhook.read", "programme.read", "ledger.read"},
    "account": frozenset(
        {"account.read", "key.read", "key.write", "usage.read", "appeal.read", "appeal.write", "programme.claim"}
    ),
}  # fmt: skip
# What concerns the deployment as a whole: refused to whoever belongs to an organisation, whatever the role.
WHOLE: frozenset[Action] = frozenset(
    {
        "principal.read", "principal.write", "rulebook.read", "rulebook.write", "rulebook.activate", "audit.read",
        "atlas.write", "backup", "webhook.read", "webhook.write", "exception.read", "exception.write", "appeal.decide",
        "programme.read", "programme.write", "programme.vet", "programme.approve",
        "campaign.read", "campaign.write", "campaign.approve",
        "ledger.read", "ledger.close",
    }
)  # fmt: skip


class Principal(msgspec.Struct, frozen=True):
    """`organisation` "": of the operator, sees all.  `prefix` is the public start of the token."""

    id: str
    role: Role
    organisation: str
    name: str
    prefix: str
    revoked: bool = False
    created_at: int = 0

    @property
    def scope(self) -> Scope:
        return self.organisation or None

    def may(self, action: Action) -> bool:
        return action in ROLES[self.role] and not (self.organisation and action in WHOLE)

    def require(self, action: Action) -> None:
        """Raises Forbidden."""
        if not self.may(action):
            raise Forbidden(f"{self.role} may not {action}")


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A principal that somebody asks for."""

    role: Role
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    organisation: Annotated[str, Meta(max_length=200)] = ""


SHAPE = Shape(Principal)
SELECT = f"SELECT {SHAPE.columns} FROM principal"  # noqa: S608 - column names of ours


def draw() -> str:
    """A new token, `gt-…`."""
    return secrets.draw(PREFIX)


def create(connection: Connection, wanted: Wanted, token: str, secret: Secret, at: int) -> Principal:
    """Keeps the hash of `token`.  Raises BadRequest where the role `account` has no organisation."""
    if wanted.role == "account" and not wanted.organisation:
        raise BadRequest("the role account needs an organisation", param="organisation")
    principal = Principal(
        ids.new("prn", at), wanted.role, wanted.organisation, wanted.name, secrets.public(token, PREFIX), created_at=at
    )
    connection.execute(
        f"INSERT INTO principal ({SHAPE.columns}, digest, pepper_id) VALUES ({SHAPE.marks}, ?, ?)",  # noqa: S608 - ours
        (*SHAPE.row(principal), secret.digest(token), secret.pepper_id),
    )
    return principal


def bootstrap(connection: Connection, token: str, secret: Secret, at: int) -> Principal:
    """The owner with GAPURA_ADMIN_TOKEN: made at the first start, found at the others; another value replaces it, and
    one that was revoked stays so.  Raises BadRequest for a weak value."""
    secrets.strong(token, "GAPURA_ADMIN_TOKEN")
    row = connection.execute(f"{SELECT} WHERE digest = ?", (secret.digest(token),)).fetchone()
    wanted = Wanted(role="owner", name="GAPURA_ADMIN_TOKEN")
    principal = SHAPE.struct(row) if row else create(connection, wanted, token, secret, at)
    if (former := marked(connection, "bootstrap_principal")) not in {"", principal.id}:
        revoke(connection, former)
    mark(connection, "bootstrap_principal", principal.id)
    return principal


def authenticate(connection: Connection, token: str, secret: Secret) -> Principal | None:
    """Whose token it is; None for nobody's, or a revoked one.

    Found by its keyed hash, which nobody can steer without the secret, and compared in constant time.
    """
    digest = secret.digest(token)
    row = connection.execute(
        f"SELECT digest, {SHAPE.columns} FROM principal WHERE digest = ? AND revoked = 0",  # noqa: S608 - ours
        (digest,),
    ).fetchone()
    return SHAPE.struct(row[1:]) if row and hmac.compare_digest(row[0], digest) else None


def revoke(connection: Connection, principal: str) -> Principal:
    """For ever.  Raises NotFound."""
    row = connection.execute(f"{SELECT} WHERE id = ?", (principal,)).fetchone()
    if row is None:
        raise NotFound(f"there is no principal {principal}")
    connection.execute("UPDATE principal SET revoked = 1 WHERE id = ?", (principal,))
    return msgspec.structs.replace(SHAPE.struct(row), revoked=True)


def page(connection: Connection, after: str = "", limit: int = 100) -> list[Principal]:
    """Principals behind the id `after`, oldest first."""
    return [
        SHAPE.struct(row) for row in connection.execute(f"{SELECT} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    ]
