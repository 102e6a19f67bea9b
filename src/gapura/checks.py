"""What a value must be that an operator writes: read in one way, wherever it stands.  Each raises ValueError."""

import ipaddress
import re
from urllib.parse import urlsplit

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def networks(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network(value)) for value in values)


def public_address(value: str) -> str:
    """In its shortest form; an address that nobody outside ever sees is refused."""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r} is no address, as 203.0.113.7 without port") from None
    if not found.is_global:
        raise ValueError(f"{value} is not public; write what is seen from outside")
    return str(found)


def public_addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(public_address, values))


def territory(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", value):
        raise ValueError("a territory is a two-letter code, as SG")
    return value.upper()


def database(value: str) -> str:
    if not value.startswith("sqlite:///") or value == "sqlite:///":
        raise ValueError("this version keeps its state in SQLite: write sqlite:///path")
    return value


def ledger_url(value: str) -> str:
    """A URL of a Postgres server.  It holds a password: what is wrong is told without a word of it."""
    if not re.fullmatch(r"postgres(ql)?://[!-~]+", value):
        raise ValueError("expected postgresql://user:password@host/database")
    return value


def relay_url(value: str) -> str:
    """A URL of a mail server.  It holds a password: what is wrong is told without a word of it."""
    form = "expected smtps://user:password@host[:port], or smtp://… for STARTTLS (?tls=none without any TLS)"
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"smtp", "smtps"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.path.strip("/") or parts.fragment or parts.query not in {"", "tls=none"}:
        raise ValueError(f"{form}; signs like / and @ in a password are written as %2F and %40")
    if parts.query and parts.scheme == "smtps":
        raise ValueError("smtps:// has TLS from its first byte; tls=none goes with smtp://")
    if parts.query and parts.username is not None and parts.hostname not in LOCAL:
        raise ValueError("a password does not go out without TLS: leave out tls=none, or the user and the password")
    return value


def page(value: str) -> str:
    """A URL that can stand in a header."""
    if value and not re.fullmatch(r"https?://[!#-;=?-~]+", value):
        raise ValueError("expected a URL, as https://example.com/notice")
    return value


def site(value: str) -> str:
    """Where a site is, without any path: its pages stand at the root."""
    if value and not re.fullmatch(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?/?", value):
        raise ValueError("expected a URL without a path, as https://notice.example.com")
    return value.rstrip("/").lower()
