"""Where somebody is, how we know, and how sure we are.  Territories are ISO 3166-1 alpha-2 codes and `XK`."""

from typing import Literal

import msgspec

Certainty = Literal["certain", "uncertain", "unknown", "absent"]
"""certain: a territory, and nothing speaks against it · uncertain: sources disagree, or answer with a pseudo-code
such as EU or AP · unknown: a public address that no source knows · absent: no usable address and no site territory."""

Network = Literal["", "residential", "mobile", "hosting", "vpn", "tor", "relay", "corporate", "private"]
"""What kind of network an address is of; "" where no list says.  relay: a consumer's privacy service that states its
users' territory, such as iCloud Private Relay."""

Embedding = Literal["", "mapped", "nat64", "6to4", "teredo"]
"""How the IPv4 address that was looked up is embedded in the IPv6 address that came; "" where there is nothing to
take out.  mapped: ::ffff:0:0/96 · nat64: 64:ff9b::/96 and the operator's own prefixes · 6to4: 2002::/16 · teredo:
2001::/32."""

Derivation = Literal["asserted-territory", "asserted-address", "forwarded", "peer", "site", "none"]


class SourceAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one source of place data said: `code` as it stands there, `as_of` is the data's own date.  `subdivision`:
    ISO 3166-2, where the source knows parts of territories; `network`: where it tells kinds of network."""

    source: str
    code: str
    as_of: str
    subdivision: str = ""
    network: Network = ""


class Located(msgspec.Struct, frozen=True, gc=False):
    """An address, looked up: `kind` is public, private or malformed.  `confidence`: 0 to 1, see `atlas.agree`."""

    territory: str
    certainty: Certainty
    kind: Literal["public", "private", "malformed"] = "public"
    answers: tuple[SourceAnswer, ...] = ()
    subdivision: str = ""
    network: Network = ""
    confidence: float = 0.0
    embedded: Embedding = ""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a request comes from: the place that policies judge, with its evidence.

    `territory` is "" unless `certainty` is certain or uncertain.  `address` is the one that was judged, "" where a
    territory was asserted; `peer` is the other end of the socket; `skipped` are the trusted proxies passed over.
    """

    territory: str
    certainty: Certainty
    derivation: Derivation
    address: str = ""
    peer: str = ""
    skipped: tuple[str, ...] = ()
    answers: tuple[SourceAnswer, ...] = ()
    subdivision: str = ""
    network: Network = ""
    confidence: float = 0.0
    embedded: Embedding = ""
