"""Attacks on the way to a client's address: those that were seen, and whatever a client may write.

The model: a client, and trusted proxies that each write some of three headers, in any of the forms in which proxies
write addresses, and hand on everything else as it came.  Whatever the client sends, its place stays its own, or the
request is refused; and a client that sends nothing of the kind is never refused.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gapura.atlas.proxies import Trust
from gapura.atlas.ranges import Ranges
from gapura.atlas.sources import Atlas, Packed
from gapura.errors import BadRequest
from gapura.request.locate import Places, locate
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.place import Origin

Address = IPv4Address | IPv6Address
Lines = list[tuple[str, str]]

# Each /8, and each /16 of IPv6, is another territory than its neighbours.
TERRITORIES = ("CN", "SG", "HK", "US", "DE")
ATLAS = Atlas(
    [
        Packed(
            Ranges.of(
                [(n << 24, (n << 24) + 0xFFFFFF, TERRITORIES[n % 5]) for n in range(256)],
                [(n << 112, (n + 1 << 112) - 1, TERRITORIES[n % 5]) for n in range(0x2000, 0x4000)],
            ),
            "test",
            "2026-06-01",
        )
    ]
)
CALLER = Caller(Key("k", "a", "gp"), Account("a", "acme", "o"))
NETWORKS = ("10.0.0.0/8", "104.16.0.0/13", "2606:4700::/32")
OURS, CDN, CLIENT, SERVED = "10.0.0.1", "104.16.0.1", "36.1.1.1", "8.8.8.8"


def where(peer: str, lines: Lines, header: str = "") -> Origin:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in lines]
    return locate(headers, peer, CALLER, Places(ATLAS, Trust(NETWORKS, header), "FR"))


SEEN: list[tuple[str, str, Lines, str]] = [
    ("loopback claimed (GHSA-2qvv-vjq9-g5r4)", CLIENT, [("X-Forwarded-For", "127.0.0.1")], ""),
    ("the same, behind a proxy", OURS, [("X-Forwarded-For", f"127.0.0.1, {CLIENT}")], ""),
    ("the leftmost address, which AWS WAF evaluates", OURS, [("X-Forwarded-For", f"{SERVED}, {CLIENT}")], ""),
    ("two entries, where two hops were counted", CLIENT, [("X-Forwarded-For", f"{SERVED}, {OURS}")], ""),
    ("a proxy of ours claimed as the last hop", CLIENT, [("X-Forwarded-For", f"{SERVED}, {CDN}, {OURS}")], ""),
    ("a chain of lines", OURS, [("X-Forwarded-For", SERVED), ("X-Forwarded-For", f"{SERVED}, {CLIENT}")], ""),
    ("a country forged (CF-IPCountry: KE)", CLIENT, [("CF-IPCountry", "KE")], ""),
    ("the same, handed on by a proxy", OURS, [("CF-IPCountry", "KE"), ("X-Forwarded-For", CLIENT)], ""),
    ("a vendor's header that nobody configured", OURS, [("X-Real-IP", SERVED), ("X-Forwarded-For", CLIENT)], ""),
    ("a vendor's header from anybody", CLIENT, [("CF-Connecting-IP", SERVED)], "CF-Connecting-IP"),
    ("another vendor's header", OURS, [("True-Client-IP", SERVED), ("CF-Connecting-IP", CLIENT)], "CF-Connecting-IP"),
    ("a quote left open", OURS, [("Forwarded", f'for={SERVED};x=", for={CLIENT}')], ""),
    ("an address in other clothes", CLIENT, [("X-Forwarded-For", "::ffff:8.8.8.8")], ""),
    ("through a network that tunnels", OURS, [("X-Forwarded-For", f"{SERVED}, 2002:2401:101::1")], ""),
]


@pytest.mark.parametrize(("peer", "lines", "header"), [row[1:] for row in SEEN], ids=[row[0] for row in SEEN])
def test_an_attack_that_was_seen_changes_nothing(peer: str, lines: Lines, header: str) -> None:
    origin = where(peer, lines, header)
    assert (origin.territory, origin.certainty) == (ATLAS.locate(CLIENT).territory, "certain") == ("SG", "certain")


REFUSED: list[tuple[str, str, Lines]] = [
    (
        "past the delivery network, straight to the proxy behind it",
        OURS,
        [("CF-Connecting-IP", SERVED), ("X-Forwarded-For", CLIENT)],
    ),
    (
        "a Worker of the delivery network that writes what it likes",
        CDN,
        [("CF-Connecting-IP", "2a06:98c0:3600::103"), ("X-Forwarded-For", SERVED)],
    ),
    ("two of a kind", OURS, [("CF-Connecting-IP", SERVED), ("CF-Connecting-IP", CLIENT), ("X-Forwarded-For", CLIENT)]),
    ("the other header", OURS, [("Forwarded", f"for={SERVED}"), ("CF-Connecting-IP", CLIENT)]),
]


@pytest.mark.parametrize(("peer", "lines"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_headers_that_contradict_each_other_are_refused(peer: str, lines: Lines) -> None:
    with pytest.raises(BadRequest, match="different clients") as refused:
        where(peer, lines, "CF-Connecting-IP")
    assert refused.value.code == "conflicting_forwarding_headers"


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ([("CF-Connecting-IP", CLIENT)], CLIENT),
        ([("CF-Connecting-IP", CLIENT), ("X-Forwarded-For", f"{SERVED}, {CLIENT}, {CDN}")], CLIENT),
        ([("CF-Connecting-IP", "2400::1"), ("Forwarded", 'for="[2400::1]:7"')], "2400::1"),
        ([("X-Forwarded-For", CLIENT)], CLIENT),
        ([("CF-Connecting-IP", "unknown")], ""),
        ([("CF-Connecting-IP", f"{SERVED}, {CLIENT}")], ""),
        ([("CF-Connecting-IP", CLIENT), ("CF-Connecting-IP", CLIENT)], ""),
        ([], OURS),
    ],
)
def test_a_vendors_header_where_it_is_believed(lines: Lines, address: str) -> None:
    assert where(OURS, lines, "cf-connecting-ip").address == address


OUTSIDE = (st.ip_addresses(v=4) | st.ip_addresses(v=6)).filter(
    lambda address: not Trust(NETWORKS).trusts(str(address)) and getattr(address, "ipv4_mapped", None) is None
)
PROXY = st.sampled_from(NETWORKS).flatmap(lambda n: st.ip_addresses(network=ip_network(n)))
PROXIES = st.lists(PROXY, min_size=1, max_size=4)  # the client's first, ours last
WRITTEN = st.sets(st.sampled_from(["X-Forwarded-For", "Forwarded", "CF-Connecting-IP"]), min_size=1)

PIECES = st.sampled_from(
    [
        SERVED,
        f"{SERVED}:443",
        OURS,
        CDN,
        "[2400::1]",
        "[2400::1]:443",
        "2400::1%eth0",
        "[fe80::1%25eth0]",
        "::ffff:8.8.8.8",
        "for=8.8.8.8",
        'for="[2400::1]:443"',
        "for=unknown",
        "for=_hidden",
        "unknown",
        "_obfuscated",
        "by=10.0.0.1",
        "proto=https",
        'for="',
        ",",
        ";",
        '"',
        "\\",
        '\\"',
        " ",
        "",
    ]
)
NOISE = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=8)
NAMES = st.sampled_from(
    ["X-Forwarded-For", "Forwarded", "CF-Connecting-IP", "X-Real-IP", "True-Client-IP", "Fly-Client-IP", "CF-IPCountry"]
)
WORDS = st.lists(PIECES | NOISE, max_size=5).map("".join)
HOSTS = st.sampled_from(["gate", "a,for=8.8.8.8", 'a",for=8.8.8.8;x="', '\\",for=8.8.8.8', "a;for=8.8.8.8"]) | WORDS
LINES = st.lists(st.tuples(NAMES, WORDS), max_size=5)


def forms(address: Address, header: str) -> list[str]:
    """How proxies write an address."""
    if header == "Forwarded":
        return [f'"[{address}]"', f'"[{address}]:443"'] if address.version == 6 else [f"{address}", f'"{address}:443"']
    if header == "X-Forwarded-For":
        return [f"{address}", f"[{address}]:443"] if address.version == 6 else [f"{address}", f"{address}:443"]
    return [f"{address}"]


def handed_on(lines: Lines, proxies: list[Address], client: Address, header: str, data: st.DataObject) -> Lines:
    """What the proxies make of a header: lists grow, on the last line or on one more; a name is replaced."""
    came_from = [client, *proxies[:-1]]
    if header == "CF-Connecting-IP":
        return [line for line in lines if line[0] != header] + [(header, str(client))]
    for address in came_from:
        form = data.draw(st.sampled_from(forms(address, header)))
        if header == "Forwarded":
            host = data.draw(HOSTS).replace("\\", "\\\\").replace('"', '\\"')  # the client chose it, too
            form = f'for={form};host="{host}";proto=https'
        own = [number for number, line in enumerate(lines) if line[0] == header]
        if bool(own) and data.draw(st.booleans()):
            lines = [*lines]
            lines[own[-1]] = (header, f"{lines[own[-1]][1]}, {form}")
        else:
            lines = [*lines, (header, form)]
    return lines


@given(OUTSIDE, PROXIES, WRITTEN, LINES, st.data())
@example(ip_address(CLIENT), [ip_address(OURS)], {"CF-Connecting-IP"}, [("X-Forwarded-For", SERVED)], None)
@example(ip_address(CLIENT), [ip_address(OURS)], {"Forwarded"}, [("CF-Connecting-IP", SERVED)], None)
def test_whatever_a_client_sends_its_place_stays_its_own(
    client: Address, proxies: list[Address], written: set[str], lines: Lines, data: st.DataObject | None
) -> None:
    sent = lines
    for header in sorted(written):
        if data is None:
            sent = [*sent, (header, f"for={client}" if header == "Forwarded" else f"{client}")]
        else:
            sent = handed_on(sent, proxies, client, header, data)
    try:
        origin = where(str(proxies[-1]), sent, "CF-Connecting-IP")
    except BadRequest:
        assert {name for name, _ in lines} & {"X-Forwarded-For", "Forwarded", "CF-Connecting-IP"}
        return
    place = ATLAS.locate(str(client))
    assert ip_address(origin.address) == client
    if place.certainty == "absent":
        assert (origin.territory, origin.derivation) == ("FR", "site")
    else:
        assert (origin.territory, origin.certainty) == (place.territory, place.certainty)
        assert (origin.derivation, origin.peer) == ("forwarded", str(proxies[-1]))


@given(OUTSIDE, LINES)
def test_without_a_trusted_proxy_nothing_that_is_sent_counts(client: Address, lines: Lines) -> None:
    assert where(str(client), lines, "CF-Connecting-IP") == where(str(client), [], "CF-Connecting-IP")
