"""Who gets in, and from where; on a real port."""

from typing import Any

import pytest
from starlette.requests import Request

from gapura.console.guard import ForeignHost, check_site
from gapura.settings import Settings


def test_no_token_no_entry(home: Any) -> None:
    refused = home.ask_tcp("", "GET", "/accounts")
    assert refused.status == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert refused.error["code"] == "unauthenticated" and "gapura principal create" in refused.error["hint"]
    for token in ("gt-" + "x" * 49, "wrong", " "):
        assert home.ask_tcp(token, "GET", "/accounts").status == 401
    assert home.ask_tcp("", "GET", "/accounts", authorization=f"Basic {home.token('owner')}").status == 401
    assert home.ask_tcp(home.token("owner"), "GET", "/accounts").status == 200


def test_a_revoked_token_is_no_token(home: Any) -> None:
    owner, gone = home.token("owner"), home.token("operator")
    name = home.ask_tcp(gone, "GET", "/principals/self").json["id"]
    assert home.ask_tcp(owner, "POST", f"/principals/{name}/revoke", {"reason": "left"}).status == 200
    assert home.ask_tcp(gone, "GET", "/principals/self").status == 401


def test_the_socket_is_the_owner(home: Any) -> None:
    assert home.ask("GET", "/principals/self").json["role"] == "owner"


def test_a_page_of_another_site_gets_nothing(home: Any) -> None:
    owner = home.token("owner")
    for origin in ("https://evil.example", "null", "http://localhost:1", f"https://127.0.0.1:{home.port}.evil.example"):
        refused = home.ask_tcp(owner, "GET", "/accounts", origin=origin)
        assert (refused.status, refused.error["code"], refused.error["field"]) == (403, "foreign_host", "origin")
    assert home.ask_tcp(owner, "GET", "/accounts", origin=f"http://127.0.0.1:{home.port}").status == 200


def test_a_name_that_was_bound_anew_gets_nothing(home: Any) -> None:
    owner = home.token("owner")
    for host in ("rebound.example", f"rebound.example:{home.port}", "127.0.0.1.rebound.example", "10.0.0.1", "["):
        for path in ("/accounts", "/metrics", "/readyz"):
            assert home.ask_tcp(owner, "GET", path, host=host).error["code"] == "foreign_host"
    for host in (f"localhost:{home.port}", "LOCALHOST.", f"[::1]:{home.port}"):
        assert home.ask_tcp(owner, "GET", "/accounts", host=host).status == 200


@pytest.mark.parametrize(
    ("environ", "host", "fine"),
    [
        ({"GAPURA_ADMIN_HOST": "0.0.0.0"}, "10.1.2.3:8081", True),
        ({"GAPURA_ADMIN_HOST": "0.0.0.0"}, "[2001:db8::1]:8081", True),
        ({"GAPURA_ADMIN_HOST": "0.0.0.0"}, "rebound.example", False),
        ({"GAPURA_ADMIN_HOST": "0.0.0.0"}, "", False),
        ({"GAPURA_ADMIN_HOST": "10.1.2.3"}, "10.1.2.3", True),
        ({"GAPURA_ADMIN_HOST": "10.1.2.3"}, "10.1.2.4", False),
        ({"GAPURA_ALLOWED_HOSTS": "keeper.Internal"}, "keeper.internal:8081", True),
        ({"GAPURA_ALLOWED_HOSTS": "keeper.internal"}, "keeper.internal.example", False),
    ],
)
def test_hosts(environ: dict[str, str], host: str, *, fine: bool) -> None:
    request = Request({"type": "http", "headers": [(b"host", host.encode())] if host else []})
    settings = Settings.load(environ, {})
    if fine:
        check_site(request, settings)
    else:
        with pytest.raises(ForeignHost):
            check_site(request, settings)
