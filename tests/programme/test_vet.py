"""What speaks against a claim, alone and among others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.programme.conftest import Vendor, export

from gapura.clock import SECOND
from gapura.programme.vet import Candidate, ineligible, vet
from gapura.terms.caller import Account
from gapura.terms.programme import Attribute, Eligibility, Filed, Found, Measured, Vetting


def claim(name: str, made_at: int = 0, *attributes: tuple[str, str], **more: Any) -> Candidate:
    return Candidate(name, made_at, tuple(Attribute(*one) for one in attributes), **more)


def states(how: Vetting, *claims: Candidate) -> dict[str, str]:
    return {name: verdict.state for name, verdict in vet(how, claims).items()}


def test_what_shares_nothing_is_clear() -> None:
    found = vet(Vetting(), [claim("a", 0, ("payment", "1")), claim("b", 1, ("payment", "2"))])
    assert {(one.state, one.found, one.group) for one in found.values()} == {("clear", (), "")}


def test_the_first_of_an_organisation_stays() -> None:
    found = vet(Vetting(), [claim("b", 2, ("organisation", "acme")), claim("a", 5, ("organisation", "acme"))])
    assert [(name, found[name].state) for name in "ab"] == [("a", "refused"), ("b", "clear")], "by time, not by id"
    assert found["a"].found == (Found("organisation", "refuse", "b", "2 claims"),)
    assert found["a"].group == found["b"].group == "a"


def test_a_review_is_of_all_that_share() -> None:
    assert states(Vetting(), claim("a", 0, ("device", "x")), claim("b", 1, ("device", "x"))) == {
        "a": "review", "b": "review",
    }  # fmt: skip


def test_what_the_offer_says_of_a_signal_holds() -> None:
    pair = claim("a", 0, ("device", "x")), claim("b", 1, ("device", "x"))
    for effect, state in (("ignore", "clear"), ("note", "clear"), ("refuse", "refused")):
        how = Vetting(signals={"device": effect})  # type: ignore[dict-item]  # one of Effect
        found = vet(how, pair)
        assert found["b"].state == state
        assert bool(found["b"].group) is (effect != "ignore")


def test_groups_go_over_others() -> None:
    chain = [
        claim("a", 0, ("payment", "1")), claim("b", 1, ("payment", "1"), ("device", "2")),
        claim("c", 2, ("device", "2"), ("domain", "3")), claim("d", 3, ("domain", "3")), claim("e", 4, ("domain", "4")),
    ]  # fmt: skip
    assert {name: one.group for name, one in vet(Vetting(), chain).items()} == {
        "a": "a", "b": "a", "c": "a", "d": "a", "e": "",
    }  # fmt: skip


@given(st.lists(st.lists(st.integers(0, 12), max_size=3), max_size=25), st.randoms())
def test_groups_are_the_connected_parts(shares: list[list[int]], chance: Any) -> None:
    claims = [claim(f"{n:03}", n, *(("device", str(one)) for one in of)) for n, of in enumerate(shares)]
    parts: list[set[str]] = []
    for one in claims:  # slowly, as a person would
        met = [part for part in parts if any(_meet(one, other) for other in claims if other.id in part)]
        parts = [part for part in parts if part not in met] + [set().union(*met, {one.id})]
    chance.shuffle(claims)
    found = vet(Vetting(), claims)
    for part in parts:
        assert {found[name].group for name in part} == ({min(part)} if len(part) > 1 else {""})


def _meet(one: Candidate, other: Candidate) -> bool:
    return bool(set(one.attributes) & set(other.attributes))


def test_too_many_from_one_network_in_too_short_a_time() -> None:
    minute = 60 * SECOND
    how = Vetting(velocity=3, velocity_minutes=10)
    slow = [claim(f"s{n}", n * 5 * minute, ("prefix", "192.0.2.0/24")) for n in range(6)]
    fast = [claim(f"f{n}", n * minute, ("asn", "64500")) for n in range(4)]
    found = vet(how, slow + fast)
    assert {name for name, one in found.items() if one.state == "review"} == {"f0", "f1", "f2", "f3"}
    assert found["f0"].found[0].detail == "more than 3 claims in 10 min from AS 64500"
    assert found["f0"].group == "", "a network ties nobody together"


def test_what_cannot_be_and_what_cannot_be_read() -> None:
    found = vet(
        Vetting(), [claim("a", strange=("line 2 has tokens without a request",)), claim("b", unreadable="line 3: x")]
    )
    assert [found[name].state for name in "ab"] == ["review", "review"]
    assert [found[name].found[0].signal for name in "ab"] == ["implausible", "unreadable"]


@pytest.mark.parametrize(
    ("who", "account", "filed", "why"),
    [
        (Eligibility(ways=("code",)), {}, {}, "claims by export are not taken"),
        (Eligibility(territories=("CN",)), {}, {}, "the account is in no stated territory"),
        (Eligibility(territories=("CN",)), {"declared_territory": "CN"}, {}, ""),
        (Eligibility(contracts=("enterprise",)), {"contract": "free"}, {}, "its contract is free"),
        (Eligibility(made_since=11), {"created_at": 10}, {}, "the account was there before"),
        (Eligibility(made_since=10), {"created_at": 10}, {}, ""),
        (Eligibility(), {"status": "suspended"}, {}, "the account is suspended"),
        (Eligibility(least_tokens=101), {}, {}, "its former use is 100 tokens, less than 101"),
        (Eligibility(least_tokens=100, least_days=2), {}, {}, ""),
        (Eligibility(least_days=3), {}, {}, "its former use is of 2 days, fewer than 3"),
        (Eligibility(), {}, {"measured": None}, "its former use is 0 tokens, less than 1"),
        (Eligibility(least_tokens=101), {}, {"way": "code"}, ""),
    ],
)
def test_who_is_meant(who: Eligibility, account: dict[str, Any], filed: dict[str, Any], why: str) -> None:
    whose = Account("acc_1", "acme", "default", **account)
    said: dict[str, Any] = {"way": "export", "measured": Measured(shape="CSV", input=100, days=2)} | filed
    assert list(ineligible(who, whose, Filed(account="acc_1", made_at=0, **said))) == ([why] if why else [])


def test_one_mailbox_with_several_addresses_is_for_a_person_to_look_at(opened: Vendor) -> None:
    for number, email in enumerate(["ada.l@gmail.com", "adal+2@googlemail.com", "other@gmail.com"]):
        opened.claim(f"acme-{number}", export(2000 + number), email=email)
    assert opened.vet() == {"review": 2, "clear": 1}
    kept = opened.store.read(lambda db: db.execute("SELECT value FROM claim_attribute").fetchall())
    assert not [value for (value,) in kept if "@" in str(value)], "addresses are kept as hashes"
