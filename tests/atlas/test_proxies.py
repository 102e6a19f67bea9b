"""Chains of proxies: by example, and against clients who write whatever they like."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gapura.atlas.proxies import Headers, Trust, client
from gapura.errors import BadRequest

NETWORKS = ["10.0.0.0/8", "198.51.100.0/24", "2001:db8:ffff::/48"]
TRUST = Trust(NETWORKS)


def xff(*lines: str) -> Headers:
    return [(b"accept", b"*/*"), *((b"x-forwarded-for", line.encode("latin-1")) for line in lines)]


def rfc7239(*lines: str) -> Headers:
    return [(b"host", b"x"), *((b"forwarded", line.encode("latin-1")) for line in lines)]


@pytest.mark.parametrize(
    ("peer", "headers", "address", "skipped"),
    [
        ("203.0.113.9", [], "203.0.113.9", ()),
        ("203.0.113.9", xff("8.8.8.8"), "203.0.113.9", ()),
        ("127.0.0.1", xff("8.8.8.8"), "127.0.0.1", ()),
        ("", xff("8.8.8.8"), "", ()),
        ("fe80::1%eth0", xff("8.8.8.8"), "fe80::1", ()),
        ("10.0.0.1", [], "10.0.0.1", ()),
        ("10.0.0.1", xff("203.0.113.9"), "203.0.113.9", ("10.0.0.1",)),
        ("::ffff:10.0.0.1", xff("203.0.113.9"), "203.0.113.9", ("::ffff:10.0.0.1",)),
        ("10.0.0.1", xff("8.8.8.8, 203.0.113.9"), "203.0.113.9", ("10.0.0.1",)),
        ("10.0.0.1", xff("8.8.8.8", "203.0.113.9"), "203.0.113.9", ("10.0.0.1",)),
        (
            "10.0.0.1",
            xff("203.0.113.9, 198.51.100.2,10.0.0.2"),
            "203.0.113.9",
            ("10.0.0.1", "10.0.0.2", "198.51.100.2"),
        ),
        ("10.0.0.1", xff("junk, 203.0.113.9, 10.0.0.2"), "203.0.113.9", ("10.0.0.1", "10.0.0.2")),
        ("10.0.0.1", xff("10.0.0.3, 10.0.0.2"), "10.0.0.3", ("10.0.0.1", "10.0.0.2")),
        ("10.0.0.1", xff("8.8.8.8, junk, 10.0.0.2"), "", ("10.0.0.1", "10.0.0.2")),
        ("10.0.0.1", xff("8.8.8.8, unknown"), "", ("10.0.0.1",)),
        ("10.0.0.1", xff("8.8.8.8,"), "", ("10.0.0.1",)),
        ("10.0.0.1", xff(""), "", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239('for="[2001:db8::17]:4711";proto=https'), "2001:db8::17", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239("for=8.8.8.8", "For=203.0.113.9 ; by=_x"), "203.0.113.9", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239("for=203.0.113.9, for=10.0.0.2;proto=http"), "203.0.113.9", ("10.0.0.1", "10.0.0.2")),
        ("10.0.0.1", rfc7239("for=8.8.8.8, for=unknown"), "", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239("for=8.8.8.8, for=_hidden"), "", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239("for=8.8.8.8, proto=https"), "", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239("for=8.8.8.8;for=203.0.113.9"), "", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239('for="8.8.8.8'), "", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239('for=203.0.113.9;host="a,for=8.8.8.8;x="'), "203.0.113.9", ("10.0.0.1",)),
        ("10.0.0.1", rfc7239(r'for=203.0.113.9;host="\",for=8.8.8.8;x=\""'), "203.0.113.9", ("10.0.0.1",)),
        ("10.0.0.1", [*xff("203.0.113.9"), *rfc7239("for=203.0.113.9")], "203.0.113.9", ("10.0.0.1",)),
    ],
)
def test_the_client_is_the_first_from_the_right_who_is_no_proxy(
    peer: str, headers: Headers, address: str, skipped: tuple[str, ...]
) -> None:
    assert client(peer, headers, TRUST) == (address, skipped)


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("203.0.113.9:5678", "203.0.113.9"),
        (" \t203.0.113.9 ", "203.0.113.9"),
        ('"203.0.113.9"', "203.0.113.9"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:", ""),
        ("203.0.113.9:http", ""),
        ("203.0.113.9 8.8.8.8", ""),
        ("0203.0.113.9", ""),
        ("203.0.113", ""),
        ("[2001:db8::1", ""),
        ("2001:db8::1]:443", ""),
        ("2001:db8::g", ""),
        ("unix:", ""),
        ("203.0.113.9\x00", ""),
        ("２０３.0.113.9".encode().decode("latin-1"), ""),
        ('"', ""),
        ("-", ""),
    ],
)
def test_the_forms_of_a_hop(hop: str, address: str) -> None:
    assert client("10.0.0.1", xff(hop), TRUST) == (address, ("10.0.0.1",))


def test_two_headers_that_disagree_are_refused() -> None:
    with pytest.raises(BadRequest, match="different clients") as refused:
        client("10.0.0.1", [*xff("203.0.113.9"), *rfc7239("for=8.8.8.8")], TRUST)
    assert (refused.value.status, refused.value.code) == (400, "conflicting_forwarding_headers")
    assert client("203.0.113.1", [*xff("1.1.1.1"), *rfc7239("for=8.8.8.8")], TRUST) == ("203.0.113.1", ())


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "10.0.0.0/33", "proxy.example", ""])
def test_what_is_no_network_cannot_be_trusted(wrong: str) -> None:
    with pytest.raises(ValueError, match=f"'?{wrong}'? "):
        Trust(["10.0.0.0/8", wrong])


@given(st.ip_addresses() | st.sampled_from(NETWORKS).flatmap(lambda n: st.ip_addresses(network=n)))
def test_trust_agrees_with_the_standard_library(address: object) -> None:
    known = any(address in ip_network(network) for network in NETWORKS)
    assert TRUST.trusts(str(address)) == known
    assert not Trust().trusts(str(address))


# What a client may write: noise, addresses that are served, the proxies' own, and the beginnings of what they write.
TEXT = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=12)
SAYINGS = st.sampled_from(
    [
        "8.8.8.8",
        "10.0.0.2",
        "for=8.8.8.8",
        "for=10.0.0.2",
        ",",
        ";",
        '"',
        "\\",
        '\\"',
        'for="',
        'by="',
        "unknown",
        "[::1]",
    ]
)
LINE = st.lists(TEXT | SAYINGS, max_size=6).map("".join)
LINES = st.lists(LINE, max_size=3)
OUTSIDE = (st.ip_addresses(v=4) | st.ip_addresses(v=6)).filter(
    lambda address: not TRUST.trusts(str(address)) and getattr(address, "ipv4_mapped", None) is None
)
PROXY = st.sampled_from(NETWORKS).flatmap(lambda n: st.ip_addresses(network=n)).map(str)
PROXIES = st.lists(PROXY, min_size=1, max_size=4)  # the client's first, ours last


def node(address: str) -> str:
    return f'"[{address}]:443"' if ":" in address else address


def append(lines: list[str], entry: str, *, own_line: bool) -> list[str]:
    return [*lines, entry] if own_line or not lines else [*lines[:-1], f"{lines[-1]}, {entry}"]


@given(OUTSIDE, PROXIES, LINES, st.booleans())
def test_no_x_forwarded_for_of_the_clients_own_changes_who_it_is(
    address: object, proxies: list[str], written: list[str], own_line: bool
) -> None:
    lines = written
    for came_from in (str(address), *proxies[:-1]):
        lines = append(lines, came_from, own_line=own_line)
    found, skipped = client(proxies[-1], xff(*lines), TRUST)
    assert (ip_address(found), skipped) == (address, tuple(reversed(proxies)))


@given(OUTSIDE, PROXIES, LINES, LINE, st.booleans())
@example(ip_address("203.0.113.9"), ["10.0.0.1"], ['for=8.8.8.8;by="'], "", False)
@example(ip_address("203.0.113.9"), ["10.0.0.1"], ['x="'], 'a"b', False)
@example(ip_address("203.0.113.9"), ["10.0.0.1"], ["x\\"], '",for=8.8.8.8;x="', False)
def test_no_forwarded_of_the_clients_own_changes_who_it_is(
    address: object, proxies: list[str], written: list[str], host: str, own_line: bool
) -> None:
    quoted = host.replace("\\", "\\\\").replace('"', '\\"')
    lines = written
    for came_from in (str(address), *proxies[:-1]):
        lines = append(lines, f'for={node(came_from)};host="{quoted}";proto=https', own_line=own_line)
    found, skipped = client(proxies[-1], rfc7239(*lines), TRUST)
    assert (ip_address(found), skipped) == (address, tuple(reversed(proxies)))


@given(OUTSIDE, PROXIES, LINES, LINES, st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_whichever_header_the_proxies_write_the_other_one_moves_nobody(
    address: object, proxies: list[str], ours: list[str], theirs: list[str], header: str
) -> None:
    for came_from in (str(address), *proxies[:-1]):
        ours = append(ours, came_from if header == "x-forwarded-for" else f"for={node(came_from)}", own_line=False)
    headers = [*xff(*ours), *rfc7239(*theirs)] if header == "x-forwarded-for" else [*xff(*theirs), *rfc7239(*ours)]
    try:
        found, _ = client(proxies[-1], headers, TRUST)
    except BadRequest:
        assert theirs
    else:
        assert ip_address(found) == address


@given(OUTSIDE, LINES, LINES)
def test_a_peer_that_is_not_trusted_is_the_client_whatever_it_writes(
    address: object, one: list[str], other: list[str]
) -> None:
    assert client(str(address), [*xff(*one), *rfc7239(*other)], TRUST) == (str(address), ())
