"""Whose request it is, when proxies stand in between.

The only hop that nobody can forge is the peer of the socket.  If the peer is a trusted proxy, what it wrote last is
as good: so the chain is walked from the right, over addresses that are trusted, to the first that is not.  That one
is the client; whatever stands further left, the client wrote itself.  Trust is a set of networks, never a number of
hops: a number would also believe whoever reaches the gateway without passing the proxies.

Two headers tell the chain, `X-Forwarded-For` and `Forwarded` (RFC 7239), and a third one may name the client alone
(`CF-Connecting-IP` and its like), where the operator says that its proxies write it.  A proxy that writes the one hands
on the others as the client sent them, and which one it writes cannot be seen.  So those that are there must name the
same client; if they do not, the request is refused, because any choice would let some client choose its place.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from gapura.errors import BadRequest

Headers = Sequence[tuple[bytes, bytes]]
"""As in ASGI: names are in lower case, and may come more than once."""

_IPV4 = 4  # bytes, and its version
_MAPPED = bytes(10) + b"\xff\xff"
_MAPPED_BITS = int.from_bytes(_MAPPED) << 32
_NODE = re.compile(
    r"""(?: \[ (?P<six>[0-9A-Fa-f:.]+) (?:%[^\]"]*)? \]     # [2001:db8::1], with a zone
          | (?P<four>[0-9.]+) )
        (?: : (?:[0-9]{1,5} | _[\w.-]+) )?                  # a port, or an obfuscated one
      | (?P<bare>[0-9A-Fa-f:.]+) (?:%[^"]*)?                # 2001:db8::1, where no port can follow
    """,
    re.VERBOSE | re.ASCII,
)
_PAIR = re.compile(r'\s*([!#$%&\'*+.^`|~\w-]+)=("[^"]*"|[^";,\s]*)\s*(?:;|$)', re.ASCII)
_QUOTED_PAIR = re.compile(r'\\["\\]')


# Hops whose address is remembered, at some 200 bytes each; what is longer is no address, and of any length.
_REMEMBERED = 16_384
_LONGEST = 64


class Trust:
    """The networks whose addresses are proxies of ours, and the `headers` that are believed from them (in lower case).
    Remembers what it was asked (bounded)."""

    def __init__(self, cidrs: Iterable[str] = (), header: str = "") -> None:
        """`header`: the one more that names the client alone, "" for none.

        Raises ValueError, naming it, for what is no network: 10.0.0.0/8, 2001:db8::/32 or one address.
        """
        alone = header.lower().encode()
        self.headers = (b"forwarded", b"x-forwarded-for", alone) if alone else (b"forwarded", b"x-forwarded-for")
        prefixes: dict[int, set[int]] = {}
        for network in map(ip_network, cidrs):
            # As IPv6, in which IPv4 is ::ffff:0:0/96: a socket for both families shows IPv4 peers in that form.
            bits = network.max_prefixlen - network.prefixlen
            number = int(network.network_address) | (_MAPPED_BITS if network.version == _IPV4 else 0)
            prefixes.setdefault(bits, set()).add(number >> bits)
        self._prefixes = tuple((bits, frozenset(known)) for bits, known in prefixes.items())
        self._known: dict[str, tuple[str, bool]] = {}

    def hop(self, written: str) -> tuple[str, bool]:
        """The bare address that a proxy wrote, "" where it is none, and whether it is trusted."""
        found = self._known.get(written)
        if found is None:
            address, packed = _read(written)
            found = address, self._has(packed)
            if len(written) <= _LONGEST:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[written] = found
        return found

    def walk(self, peer: str, hops: Iterable[str]) -> tuple[str, tuple[str, ...]]:
        """From a trusted peer on: the first address that is not trusted, else the last, and those passed over."""
        address, passed = peer, []
        for hop in hops:
            passed.append(address)
            address, trusted = self._known.get(hop) or self.hop(hop)
            if not trusted:
                break
        return address, tuple(passed)

    def trusts(self, address: str) -> bool:
        """Whether a bare address is in one of the networks; False for what is no address."""
        try:
            return self._has(_bare(address)[1])
        except (OSError, ValueError):
            return False

    def _has(self, packed: bytes) -> bool:
        number = int.from_bytes(packed)
        if len(packed) == _IPV4:
            number |= _MAPPED_BITS
        for bits, known in self._prefixes:
            if number >> bits in known:
                return bool(packed)
        return False


def client(peer: str, headers: Headers, trust: Trust) -> tuple[str, tuple[str, ...]]:
    """The client's address, and the trusted proxies between it and us, nearest first.

    No proxies means that the address is the peer's own.  The address is "" where a trusted proxy wrote no address
    (`unknown`, garbage): a proxy's place is not its client's.  If all are trusted, it is the one furthest away.
    Raises BadRequest where the headers name different clients.
    """
    if "%" in peer:
        peer = peer.partition("%")[0]
    if not trust.hop(peer)[1]:
        return peer, ()
    if len(headers) == 1:  # as nearly always: nothing to join, and nothing to compare
        header, value = headers[0]
        return trust.walk(peer, _hops(header, value)) if header in trust.headers else (peer, ())
    written: dict[bytes, bytes] = {}
    for name, value in headers:
        written[name] = written[name] + b"," + value if name in written else value
    told: tuple[str, tuple[str, ...]] | None = None
    first = b""
    for header in trust.headers:
        if header in written:
            found = trust.walk(peer, _hops(header, written[header]))
            if told is None:
                told, first = found, header
            elif found[0] != told[0]:
                raise BadRequest(
                    f"The headers {first.decode()} and {header.decode()} name different clients. Send neither; an"
                    " operator's proxy must remove the one that it does not write.",
                    code="conflicting_forwarding_headers",
                )
    return told or (peer, ())


def _hops(header: bytes, value: bytes) -> Iterable[str]:
    """From the right."""
    return _HOPS.get(header, _alone)(value.decode("latin-1"))


def _listed(value: str) -> Iterable[str]:
    """The hops of X-Forwarded-For, from the right."""
    return reversed(value.split(","))


def _alone(value: str) -> Iterable[str]:
    """The one hop of a header that names the client alone; written twice, it is none."""
    return (value,)


def _elements(value: str) -> Iterator[str]:
    """The `for` of each element of Forwarded, from the right; "" for an element that has none or more than one.

    From the right also within quotes: an element that a proxy wrote has all its quotes closed, so nothing that
    stands to the left of it (a quote left open, say) can change how it is read.
    """
    element = ""
    for piece in reversed(_QUOTED_PAIR.sub("", value).split(",")):
        element = f"{piece},{element}" if element else piece
        if element.count('"') % 2 == 0:
            yield _for(element)
            element = ""
    if element:
        yield ""


_HOPS: dict[bytes, Callable[[str], Iterable[str]]] = {b"forwarded": _elements, b"x-forwarded-for": _listed}


def _for(element: str) -> str:
    at, nodes = 0, []
    while at < len(element) and (pair := _PAIR.match(element, at)):
        if pair[1].lower() == "for":
            nodes.append(pair[2])
        at = pair.end()
    return nodes[0] if at == len(element) and len(nodes) == 1 else ""


def _read(hop: str) -> tuple[str, bytes]:
    """The address of a hop as text and in 4 or 16 bytes; "" and b"" where there is none."""
    hop = hop.strip()
    try:
        return _bare(hop)  # as most are
    except (OSError, ValueError):
        pass
    if hop[:1] == hop[-1:] == '"':
        hop = hop[1:-1]
    node = _NODE.fullmatch(hop)
    try:
        return _bare(node["six"] or node["four"] or node["bare"]) if node else ("", b"")
    except OSError:
        return "", b""


def _bare(address: str) -> tuple[str, bytes]:
    """In its shortest form, and IPv4 in the clothes of IPv6 as IPv4.  Raises OSError and ValueError."""
    if ":" not in address:
        return address, inet_pton(AF_INET, address)
    packed = inet_pton(AF_INET6, address)
    if packed.startswith(_MAPPED):
        return inet_ntop(AF_INET, packed[12:]), packed[12:]
    return inet_ntop(AF_INET6, packed), packed
