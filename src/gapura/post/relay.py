"""The server that takes our mail: GAPURA_SMTP_URL, and how we treat it, `[mail.relay]` of gapura.toml.

smtps://user:password@smtp.example.com         TLS from the first byte (port 465)
smtp://user:password@smtp.example.com          STARTTLS, without which nothing is sent (port 587)
smtp://localhost:25?tls=none                   in the clear: for a relay on the same machine
"""

import difflib
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import Meta

from gapura.settings import BadSetting, Secret

Tls = Literal["implicit", "starttls", "none"]
PORTS: Mapping[Tls, int] = {"implicit": 465, "starttls": 587, "none": 25}

Rate = Annotated[float, Meta(ge=0, le=100_000)]
Connections = Annotated[int, Meta(ge=1, le=1_000)]
Seconds = Annotated[float, Meta(gt=0, le=3_600)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one domain: messages a second (0: no limit), and how many at once."""

    messages_per_s: Rate = 5.0
    connections: Connections = 2


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[mail.relay]`.  `connections` and `messages_per_s` are of the relay as a whole, `each_domain` of every domain
    that `domains` does not name."""

    connections: Connections = 4
    messages_per_s: Rate = 50.0
    messages_per_connection: Annotated[int, Meta(ge=1, le=100_000)] = 100
    each_domain: Limits = Limits()
    domains: dict[str, Limits] = {}
    connect_s: Seconds = 30.0
    answer_s: Seconds = 300.0
    content_s: Seconds = 600.0
    refusals_in_a_row: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    ca_file: str = ""
    hello: str = ""


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is, how we prove ourselves, and how fast we go."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: Secret = Secret("")
    context: ssl.SSLContext | None = None
    table: Table = Table()

    def limits(self, domain: str) -> Limits:
        return self.table.domains.get(domain, self.table.each_domain)


def read(documents: Mapping[str, Any], url: Secret, folder: Path) -> Relay | None:
    """None without a URL: there is no mail then.  Relative paths start at `folder`.  Raises BadSetting."""
    mail = documents.get("mail", {})
    table = _table(mail.get("relay", {}) if isinstance(mail, Mapping) else {})
    if not url:
        return None
    parts = urlsplit(url)
    tls = _tls(parts.scheme, parse_qs(parts.query).get("tls", [""])[0])
    return Relay(
        host=parts.hostname or "",
        port=parts.port or PORTS[tls],
        tls=tls,
        user=unquote(parts.username or ""),
        password=Secret(unquote(parts.password or "")),
        context=_context(table.ca_file, folder) if tls != "none" else None,
        table=table,
    )


def _tls(scheme: str, asked: str) -> Tls:
    if scheme == "smtps":
        return "implicit"
    return "none" if asked == "none" else "starttls"


def _table(raw: object) -> Table:
    if not isinstance(raw, Mapping):
        raise BadSetting("mail.relay: expected a table")
    for name in raw:
        if name not in Table.__struct_fields__:
            near = difflib.get_close_matches(name, Table.__struct_fields__, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise BadSetting(f"mail.relay.{name}: there is no such field{hint}")
    try:
        return msgspec.convert(raw, Table)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        raise BadSetting(f"mail.relay{where.rstrip('`')}: {problem}") from None


def _context(ca_file: str, folder: Path) -> ssl.SSLContext:
    """Verifies the certificate and the name, by the system's authorities or by those of a file."""
    try:
        context = ssl.create_default_context(cafile=str(folder / ca_file) if ca_file else None)
    except OSError as error:
        raise BadSetting(f"mail.relay.ca_file: {ca_file} cannot be read: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
