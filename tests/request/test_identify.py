"""Who calls: keys by their keyed hash, in each header that clients use, and every way in which one is no good."""

import hmac
from typing import Any

import pytest

from gapura.errors import Forbidden, UnknownKey
from gapura.request.identify import identify, scoped
from gapura.terms.caller import Account, Caller, Key

PEPPER = b"p" * 32
GOOD = b"gp-good"


class Directory(dict[bytes, Caller]):
    def find(self, digest: bytes) -> Caller | None:
        return self.get(digest)


def directory(*, status: Any = "active", **of_key: Any) -> Directory:
    key = Key("key_1", "acc_1", "gp-g", **of_key)
    account = Account("acc_1", "acme", "org_1", status=status)
    return Directory({hmac.digest(PEPPER, GOOD, "sha256"): Caller(key, account)})


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer gp-good")],
        [(b"authorization", b"bearer   gp-good ")],
        [(b"host", b"x"), (b"x-api-key", b"gp-good")],
        [(b"api-key", b"gp-good")],
        [(b"x-api-key", b"gp-other"), (b"authorization", b"Bearer gp-good")],
        [(b"authorization", b"Basic dXNlcg=="), (b"api-key", b"gp-good")],
        [(b"authorization", b"Bearer "), (b"api-key", b"gp-good"), (b"x-api-key", b"gp-other")],
    ],
)
def test_the_key_is_found_where_clients_put_it(headers: list[tuple[bytes, bytes]]) -> None:
    assert identify(headers, directory(), PEPPER, 1).account.external_id == "acme"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"gp-good")],
        [(b"authorization", b"Basic gp-good")],
        [(b"cookie", b"gp-good")],
    ],
)
def test_no_key(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UnknownKey, match="No API key was sent") as caught:
        identify(headers, directory(), PEPPER, 1)
    assert (caught.value.status, caught.value.kind) == (401, "invalid_request_error")


@pytest.mark.parametrize("key", [b"gp-goo", b"gp-good2", b"GP-GOOD", b"\xff\x00", b"x" * 10_000])
def test_an_unknown_key_is_not_echoed(key: bytes) -> None:
    with pytest.raises(UnknownKey, match="Incorrect API key provided") as caught:
        identify([(b"authorization", b"Bearer " + key)], directory(), PEPPER, 1)
    assert caught.value.code == "invalid_api_key"
    assert key.decode("latin-1") not in caught.value.message


def test_another_pepper_knows_nobody() -> None:
    with pytest.raises(UnknownKey):
        identify([(b"api-key", GOOD)], directory(), b"q" * 32, 1)


def test_revoked() -> None:
    with pytest.raises(UnknownKey, match="It was revoked"):
        identify([(b"api-key", GOOD)], directory(revoked=True), PEPPER, 1)


def test_it_expires_at_the_instant() -> None:
    expiring = directory(expires_at=1_000_000)
    assert identify([(b"api-key", GOOD)], expiring, PEPPER, 999_999)
    with pytest.raises(UnknownKey, match="It expired at 1970-01-01T00:00:01Z"):
        identify([(b"api-key", GOOD)], expiring, PEPPER, 1_000_000)


def test_a_suspended_account_is_told_so_and_a_warned_one_is_served() -> None:
    with pytest.raises(Forbidden) as caught:
        identify([(b"api-key", GOOD)], directory(status="suspended"), PEPPER, 1)
    assert (caught.value.status, caught.value.code) == (403, "account_suspended")
    assert identify([(b"api-key", GOOD)], directory(status="warned"), PEPPER, 1).account.status == "warned"


@pytest.mark.parametrize(
    ("scope", "model", "holds"),
    [
        ((), "anything", True),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("qwen-plus", "gpt-4o*"), "gpt-4o-mini", True),
        (("gpt-4o",), "openai/gpt-4o", False),
    ],
)
def test_scopes_of_models(scope: tuple[str, ...], model: str, holds: bool) -> None:
    caller = Caller(Key("k", "a", "gp", models=scope), Account("a", "x", "o"))
    assert scoped(caller, model) == holds
