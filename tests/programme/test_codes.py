"""Redemption codes: told once, typed by people, redeemed once."""

import threading
from collections import Counter

import pytest
from tests.programme.conftest import Vendor

from gapura.errors import BadRequest, NotFound
from gapura.store import claims, codes
from gapura.store.base import Conflict


def batch(vendor: Vendor, *given: str, accounts: tuple[str, ...] = (), expires_at: int = 0) -> codes.Batch:
    secret = vendor.store.secret
    return vendor.do(
        lambda db: codes.make(
            db, "moving", "first", given, accounts, secret=secret, expires_at=expires_at, at=vendor.clock()
        )
    )


def test_what_people_type_is_read_as_it_is_meant() -> None:
    for _ in range(200):
        code = codes.draw()
        typed = code.lower().replace("0", "o").replace("1", "l").replace("-", " ")
        assert codes.read(typed) == code


def test_a_typing_error_is_told_from_a_code_that_is_not_there() -> None:
    code = codes.draw()
    wrong = sum(
        _refused(code[:n] + sign + code[n + 1 :]) for n in range(3, len(code)) if code[n] != "-" for sign in "X7"
    )
    assert wrong >= 35, "two signs out of 1024 fit by chance now and then"
    with pytest.raises(BadRequest, match="20 signs"):
        codes.read(code[:-1])
    with pytest.raises(BadRequest, match="20 signs"):
        codes.read("XX" + code[2:])


def _refused(code: str) -> bool:
    try:
        codes.read(code)
    except BadRequest:
        return True
    return False


def test_a_code_grants_at_once_and_once(opened: Vendor) -> None:
    code = codes.draw()
    made = batch(opened, code)
    opened.claim("acme", code=code)
    assert opened.do(lambda db: codes.get(db, made.id)).redeemed == 1
    with pytest.raises(Conflict, match="was redeemed"):
        opened.claim("other", code=code)
    assert len(opened.store.read(lambda db: claims.page(db, "moving"))) == 1, "the other claim is not there either"


def test_of_many_who_redeem_one_code_one_has_it(opened: Vendor) -> None:
    code = codes.draw()
    batch(opened, code)
    for n in range(16):
        opened.account(f"a{n}")
    became: Counter[str] = Counter()

    def redeem(n: int) -> None:
        try:
            opened.claim(f"a{n}", code=code)
        except Conflict:
            became["refused"] += 1
        else:
            became["claimed"] += 1

    threads = [threading.Thread(target=redeem, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert became == {"claimed": 1, "refused": 15}


def test_what_is_over_or_revoked(opened: Vendor) -> None:
    short, revoked, alone = codes.draw(), codes.draw(), codes.draw()
    batch(opened, short, expires_at=opened.clock() + 1)
    whole = batch(opened, revoked)
    batch(opened, alone)
    opened.clock.turn(seconds=1)
    opened.do(lambda db: codes.revoke(db, whole.id, opened.clock()))
    opened.do(lambda db: codes.revoke_one(db, "moving", alone, opened.store.secret, opened.clock()))
    for name, code, problem in (("a", short, "is over"), ("b", revoked, "revoked"), ("c", alone, "revoked")):
        with pytest.raises(Conflict, match=problem):
            opened.claim(name, code=code)
    with pytest.raises(NotFound):
        opened.claim("d", code=codes.draw())


def test_an_invitation_is_for_one_account(opened: Vendor) -> None:
    invited, code = opened.account("invited"), codes.draw()
    batch(opened, code, accounts=(invited,))
    with pytest.raises(NotFound, match="no such code"):
        opened.claim("other", code=code)
    with pytest.raises(BadRequest, match="no invitation"):
        opened.claim("third")
    opened.claim("invited")
    with pytest.raises(Conflict, match="redeemed"):
        opened.do(lambda db: codes.redeem(db, "moving", code, invited, "clm_2", opened.store.secret, opened.clock()))


def test_no_code_is_in_the_database(opened: Vendor) -> None:
    code = codes.draw()
    batch(opened, code)
    opened.claim("acme", code=code)
    opened.store.close()
    for form in (code, code.replace("-", ""), code.lower()):
        assert form.encode() not in opened.store.path.read_bytes()
