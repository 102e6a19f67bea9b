"""PROXY protocol, version 2: a load balancer that hands on bytes says before them who connected to it.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2.  It is believed from trusted peers alone, and
where it is required nobody is served without it: who could leave it out could write the rest himself.
"""

import asyncio
import logging
from socket import AF_INET, AF_INET6, inet_ntop
from typing import NamedTuple

from gapura.atlas.proxies import Trust
from gapura.gate.edge import EdgeProtocol

log = logging.getLogger(__name__)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
HEAD = len(SIGNATURE) + 4
LOCAL, PROXIED = 0x20, 0x21
# Family and transport → where the addresses are; what comes behind them is for others.
STREAMS = {0x11: (AF_INET, 4), 0x21: (AF_INET6, 16)}
NAMELESS = (0x00, 0x31)  # unspecified, and a Unix socket
# With all that load balancers add (TLS, certificates, ids) some 1 KB is usual.
LONGEST = 4096

QUIET_S = 60.0


class BadPreface(ValueError):
    """What came is no PROXY header of version 2."""


class Preface(NamedTuple):
    """`client` connected to the load balancer; None: it does not say who, or speaks for itself.  `size`: bytes."""

    client: tuple[str, int] | None
    size: int


def read(data: bytes) -> Preface | None:
    """The header at the beginning of what came so far, None while it is not whole.  Raises BadPreface."""
    if not SIGNATURE.startswith(data[: len(SIGNATURE)]):
        raise BadPreface("it does not begin with the signature of PROXY version 2")
    if len(data) < HEAD:
        return None
    command, family = data[len(SIGNATURE)], data[len(SIGNATURE) + 1]
    length = int.from_bytes(data[HEAD - 2 : HEAD])
    if command not in (LOCAL, PROXIED):
        raise BadPreface(f"its version and command are {command:#04x}")
    if HEAD + length > LONGEST:
        raise BadPreface(f"it has {length} bytes behind its head")
    if len(data) < HEAD + length:
        return None
    size = HEAD + length
    if command == LOCAL or family in NAMELESS:
        return Preface(None, size)
    if family not in STREAMS:
        raise BadPreface(f"its family and transport are {family:#04x}")
    kind, width = STREAMS[family]
    if length < 2 * width + 4:
        raise BadPreface("it ends within its addresses")
    source = data[HEAD : HEAD + width]
    port = int.from_bytes(data[HEAD + 2 * width : HEAD + 2 * width + 2])
    return Preface((inet_ntop(kind, source), port), size)


class Prefaced(EdgeProtocol):
    """A connection whose first bytes say who is behind it; `client` is that one from then on.

    Where the header names nobody, the caller has no address: forwarding headers behind it were not written by the
    load balancer, which does not read what it hands on, and would be believed if it stayed the peer.
    """

    trust = Trust()
    _quiet_until = 0.0
    _preface: bytes | None = b""
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in EdgeProtocol
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if self.trust.trusts(peer):
            self._due = self.loop.call_later(self.limits.head_s, self._drop, "its header did not come in time")
        else:
            self._drop("it is in none of GAPURA_TRUSTED_PROXIES")

    def data_received(self, data: bytes) -> None:
        if self._preface is None:
            super().data_received(data)
            return
        if self.transport.is_closing():
            return
        came = self._preface + data
        try:
            preface = read(came)
        except BadPreface as error:
            self._drop(str(error))
            return
        self._preface = came if preface is None else None
        if preface is not None:
            self._settle()
            self.client = preface.client
            if len(came) > preface.size:
                super().data_received(came[preface.size :])

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        super().connection_lost(exc)

    def _settle(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _drop(self, why: str) -> None:
        """At once and without a word, as the protocol demands; the log says why, once a minute."""
        now = self.loop.time()
        if now >= Prefaced._quiet_until:
            Prefaced._quiet_until = now + QUIET_S
            log.warning("GAPURA_PROXY_PROTOCOL is required, and %s is dropped: %s", self.client, why)
        self.transport.abort()


def trusting(trust: Trust) -> type[Prefaced]:
    """Connections whose header is required, and believed from these networks."""
    return type("Trusting", (Prefaced,), {"trust": trust})
