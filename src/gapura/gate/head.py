"""What we take for the head of a request.  Framing is llhttp's, which is strict; here stands what it lets through.

>>> check([(b"host", b"a")], b"/v1/models", b"GET", "1.1", Limits())
False
>>> check([], b"/v1/models", b"GET", "1.1", Limits())
Traceback (most recent call last):
...
gapura.errors.BadRequest: Send exactly one Host header.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gapura.errors import BadRequest, GapuraError, TooLarge

_LOOKED_AT = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})


class Limits(NamedTuple):
    """Bytes, counts and seconds.  `hosts`: names under which we answer, lower case, without port; empty for any.

    `head_s` runs from the first byte of a head to its end, `body_idle_s` between two reads of a body and `body_s`
    over the whole of it, `write_s` while a caller takes nothing of what was written.
    """

    header_count: int = 100
    header_bytes: int = 32_768
    line_bytes: int = 8_192
    body_bytes: int = 33_554_432
    pipelined: int = 16
    head_s: float = 10.0
    body_idle_s: float = 30.0
    body_s: float = 600.0
    write_s: float = 60.0
    keep_alive_s: float = 75.0
    hosts: frozenset[str] = frozenset()


def refusal(status: int, code: str, message: str) -> GapuraError:
    """An error that only the edge knows: `status` is none of those in `gapura.errors`."""
    error = BadRequest(message, code=code)
    error.status = status
    return error


def malformed(message: str) -> BadRequest:
    return BadRequest(message, code="malformed_request")


def too_large(limits: Limits) -> TooLarge:
    return TooLarge(f"The request body exceeds {limits.body_bytes} bytes.")


def too_many_headers(limits: Limits) -> GapuraError:
    message = f"Send at most {limits.header_count} headers, {limits.header_bytes} bytes in all."
    return refusal(431, "headers_too_large", message)


def check(headers: list[tuple[bytes, bytes]], target: bytes, method: bytes, version: str, limits: Limits) -> bool:
    """Whether the caller waits for "100 Continue" before it sends the body.  Raises what is to be answered instead."""
    _check_line(target, method, version)
    hosts, waits = [], False
    for name, value in headers:
        if name not in _LOOKED_AT:
            continue
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            if int(value) > limits.body_bytes:
                raise too_large(limits)
        elif name == b"expect":
            waits = version == "1.1" and value.strip().lower() == b"100-continue"
        elif value.strip().lower() != b"chunked" or version == "1.0":
            raise malformed("No transfer-encoding but chunked is understood.")
    if len(hosts) != 1 or limits.hosts:
        _check_host(hosts, limits.hosts, needed=version == "1.1")
    return waits


def _check_line(target: bytes, method: bytes, version: str) -> None:
    if version not in {"1.1", "1.0"}:
        # 505 in RFC 9110; but what callers send must not look like a failure of ours.
        raise refusal(400, "http_version_not_supported", "Speak HTTP/1.1.")
    # A proxy's request form (`GET http://…`, CONNECT) has no use here: a client never chooses a host.
    if not target.startswith(b"/") or method == b"CONNECT":
        raise malformed("The request target must be a path.")


def check_size(headers: Iterable[tuple[bytes, bytes]], limits: Limits) -> None:
    if sum(len(name) + len(value) + len(": \r\n") for name, value in headers) > limits.header_bytes:
        raise too_many_headers(limits)


def _check_host(hosts: list[bytes], known: frozenset[str], *, needed: bool) -> None:
    if len(hosts) != 1 and (hosts or needed):
        raise malformed("Send exactly one Host header.")
    if known:
        name, colon, port = (hosts[0].strip() if hosts else b"").rpartition(b":")
        name = name if colon and port.isdigit() else name + colon + port
        if name.decode("latin-1").lower() not in known:
            raise refusal(421, "misdirected_request", "This gateway does not answer under that name.")
