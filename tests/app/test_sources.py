"""Place data of the operator's own, in a gateway as it is run: sources, lists, and who may name the client."""

import json
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import CHINA, HELLO, KEY, SINGAPORE, Gateway, run, serving
from tests.atlas.mmdb_writer import mmdb

from gapura.gate.proxy2 import SIGNATURE

DOCUMENT = """
[atlas]
sources = ["shipped", { file = "own.mmdb", name = "own" }]

[[atlas.networks]]
file = "relay.csv"
kind = "relay"
name = "icloud"

[[atlas.networks]]
file = "exits.txt"
kind = "tor"
"""
RELAYED, EXIT, DISPUTED = "1.1.1.7", "8.8.4.4", "8.8.8.8"


def own_data(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = {f"{DISPUTED}/32": {"country": {"iso_code": "CN"}}, f"{SINGAPORE}/32": {"country": {"iso_code": "SG"}}}
    (folder / "own.mmdb").write_bytes(mmdb(rows))
    (folder / "relay.csv").write_text(f"{RELAYED}/32,CN,CN-BJ,Beijing,\n")
    (folder / "exits.txt").write_text(f"# exits\n{EXIT}\n")
    return folder


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    """Behind a proxy on this machine that writes a vendor's header."""
    settings = {"GAPURA_TRUSTED_PROXIES": "127.0.0.0/8", "GAPURA_CLIENT_HEADER": "CF-Connecting-IP"}
    with serving(own_data(folder / "own"), DOCUMENT, **settings) as found:
        yield found


def origin(gateway: Gateway, **headers: str) -> tuple[int, dict[str, Any]]:
    """The status, and where the caller was found to be."""
    answer = gateway.chat("gpt-4o-mini", **headers)
    return answer.status, gateway.decision(answer) if answer.status != 400 else {}


@pytest.mark.parametrize(
    ("address", "status", "place", "said"),
    [
        (SINGAPORE, 200, ("SG", "certain", ""), {"ipfire": "SG", "own": "SG"}),
        (CHINA, 403, ("CN", "certain", ""), {"ipfire": "CN", "own": ""}),
        (DISPUTED, 200, ("US", "uncertain", ""), {"ipfire": "US", "own": "CN"}),
        (RELAYED, 403, ("CN", "certain", "relay"), {"icloud": "CN", "own": ""}),
        (EXIT, 200, ("US", "certain", "tor"), {"exits": "", "ipfire": "US", "own": ""}),
    ],
)
def test_sources_and_lists_decide_and_stand_in_the_record(
    gateway: Gateway, address: str, status: int, place: tuple[str, str, str], said: dict[str, str]
) -> None:
    found, told = origin(gateway, cf_connecting_ip=address)
    assert (found, (told["territory"], told["certainty"], told["network"])) == (status, place)
    assert said.items() <= {source: code for source, code, *_ in told["answers"]}.items()
    assert told["address"] == address


def test_headers_that_name_different_clients_are_refused(gateway: Gateway) -> None:
    assert origin(gateway, cf_connecting_ip=SINGAPORE, come=CHINA)[0] == 400
    assert origin(gateway, cf_connecting_ip=SINGAPORE, come=f"{CHINA}, {SINGAPORE}")[0] == 200
    assert origin(gateway, come=CHINA)[0] == 403


def test_a_file_that_is_no_use_stops_the_start_and_says_which(gateway: Gateway, folder: Path) -> None:
    broken = own_data(folder / "broken")
    (broken / "gapura.toml").write_text(DOCUMENT)
    (broken / "exits.txt").write_text(f"{EXIT}\n<html>\n")
    ended = run(broken, {**gateway.env, "PWD": str(broken)}, "serve")
    assert (ended.code, ended.out.count("serves")) == (2, 0)
    assert "atlas.networks[1].file: exits.txt, line 2: '<html>' is neither an address nor a prefix" in ended.err


def test_a_balancer_names_the_client_before_the_first_request(folder: Path) -> None:
    body = json.dumps({"model": "gpt-4o-mini", "messages": HELLO}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    request = f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
    settings = {"GAPURA_TRUSTED_PROXIES": "127.0.0.1", "GAPURA_PROXY_PROTOCOL": "required"}
    with serving(folder / "balanced", "", **settings) as gateway:
        host, _, port = gateway.url.removeprefix("http://").removesuffix("/v1").partition(":")

        def asked(preface: bytes) -> bytes:
            with socket.create_connection((host, int(port)), timeout=60) as connection:
                connection.sendall(preface + request)
                said = b""
                try:
                    while piece := connection.recv(65536):
                        said += piece
                except ConnectionResetError:
                    pass
                return said.partition(b"\r\n")[0]

        def preface(address: str) -> bytes:
            addresses = ip_address(address).packed + bytes(4) + bytes(4)
            return SIGNATURE + b"\x21\x11" + len(addresses).to_bytes(2) + addresses

        assert asked(preface(SINGAPORE)) == b"HTTP/1.1 200 OK"
        assert asked(preface(CHINA)) == b"HTTP/1.1 403 Forbidden"
        assert asked(b"") == b""
        assert "GAPURA_PROXY_PROTOCOL is required" in gateway.err
