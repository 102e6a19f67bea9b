"""Asks somebody outside what this machine's own address is: once by IPv4, once by IPv6.

Providers are called over connections that are opened like this one: directly, to the first address that their name
has.  The request is HTTP/1.0, so that the answer comes unpacked; no redirect is followed, and all of it is bounded.
"""

import socket
import ssl
import time
from urllib.parse import SplitResult, urlsplit

from gapura.checks import public_address
from gapura.cli import ending
from gapura.cli.client import LOOPBACK
from gapura.cli.ending import Failed

PATIENCE_S = 5.0
LONGEST = 8 * 1024
FAMILIES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}
PORTS = {"https": 443, "http": 80}


def probe(url: str) -> list[str]:
    """The addresses that the answers name.  Raises Failed where the URL cannot be asked, nobody answers in time, or an
    answer is no public address."""
    parts = _read(url)
    found: list[str] = []
    trouble: list[str] = []
    for family, name in FAMILIES.items():
        try:
            address = _ask(parts, family)
        except OSError as error:
            trouble.append(f"{name}: {error.strerror or error or type(error).__name__}")
        else:
            found.append(address)
    if not found:
        raise Failed(
            f"--probe {url} does not answer ({'; '.join(trouble)})", exit_code=ending.UNREACHABLE, code="unreachable"
        )
    return list(dict.fromkeys(found))


def _read(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.hostname and (parts.port is None or parts.port > 0) and url.isascii() and url.isprintable()
    except ValueError:
        sound = False
    if not sound or " " in url or parts.username is not None or parts.scheme not in PORTS:
        raise Failed(
            f"--probe {url}: expected https://host[/path]", exit_code=ending.USAGE, code="usage", field="probe"
        )
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        message = f"--probe {url}: use https, since anybody on the way could answer otherwise"
        raise Failed(message, exit_code=ending.USAGE, code="usage", field="probe")
    return parts


def _ask(parts: SplitResult, family: socket.AddressFamily) -> str:
    """Raises OSError where this family does not lead there, Failed for an answer that is none."""
    host, port, until = parts.hostname or "", parts.port or PORTS[parts.scheme], time.monotonic() + PATIENCE_S
    address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
    with socket.socket(family, socket.SOCK_STREAM) as raw:
        raw.settimeout(PATIENCE_S)
        raw.connect(address)
        connection = raw
        if parts.scheme == "https":
            connection = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
        with connection:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.sendall(f"GET {target} HTTP/1.0\r\nHost: {parts.netloc}\r\nAccept: text/plain\r\n\r\n".encode())
            return _address(parts.geturl(), _answer(connection, until))


def _answer(connection: socket.socket, until: float) -> bytes:
    """Until the other side closes; no more than `LONGEST`, and no longer than `until`."""
    received = b""
    while len(received) <= LONGEST:
        connection.settimeout(max(until - time.monotonic(), 0.001))
        piece = connection.recv(LONGEST)
        if not piece:
            break
        received += piece
    return received


def _address(url: str, answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"] or len(answer) > LONGEST:
        told = status[0].decode("latin-1") if status else "no HTTP"
        raise Failed(f"--probe {url} answers with {told}, and not with 200 and an address", code="no_address")
    try:
        return public_address(body.decode("ascii").strip())
    except ValueError:
        shown = body[:60].decode("ascii", "replace").strip()
        raise Failed(f"--probe {url} answers {shown!r}, which is no public address", code="no_address") from None
