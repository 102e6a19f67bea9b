"""What the atlas asks of a source of place data, and the kinds of network that any of them may tell."""

from typing import NamedTuple, Protocol

from gapura.terms.place import Network


class Found(NamedTuple):
    """What one source knows of an address.  `code` as it stands there (a territory, a pseudo-code such as EU), "" for
    nothing; `subdivision` in ISO 3166-2; `network` where the source tells kinds of network."""

    code: str = ""
    subdivision: str = ""
    network: Network = ""


NOTHING = Found()

STRONGEST: tuple[Network, ...] = (
    "private",
    "relay",
    "tor",
    "vpn",
    "hosting",
    "corporate",
    "mobile",
    "residential",
    "",
)
"""Of several kinds that are told of one address, the first here holds.  A relay goes before Tor and VPN because it
states where its users are, and lists of VPNs often have it, too; all three stand on hosts, so they go before hosting;
a company's or a carrier's network is more than the residential one that it is part of."""

STRENGTH: dict[Network, int] = {network: strength for strength, network in enumerate(STRONGEST)}


class Source(Protocol):
    """`name` goes into the evidence; `as_of` is the data's own date (YYYY-MM-DD); `digest` tells one build of the data
    from every other."""

    @property
    def name(self) -> str: ...
    @property
    def as_of(self) -> str: ...
    @property
    def digest(self) -> str: ...

    def find(self, packed: bytes) -> Found:
        """Of a public address, 4 or 16 bytes as of `inet_pton`.  Never raises."""
