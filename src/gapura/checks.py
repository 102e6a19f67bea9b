"""What a value must be that an operator writes: read in one way, wherever it stands.  Each raises ValueError."""

import ipaddress
import re


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


def page(value: str) -> str:
    """A URL that can stand in a header."""
    if value and not re.fullmatch(r"https?://[!#-;=?-~]+", value):
        raise ValueError("expected a URL, as https://example.com/notice")
    return value
