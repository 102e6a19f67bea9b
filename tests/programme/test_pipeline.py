"""From a claim to its grants and back, on a store."""

import pytest
from tests.programme.conftest import OFFER, Vendor, export

from gapura.errors import BadRequest
from gapura.programme import pipeline
from gapura.programme.grant import amounts
from gapura.programme.offer import read
from gapura.store import accounts, claims, grants, ledger, outbox, programmes, sealed, webhooks
from gapura.store.base import Conflict, StoreFailed
from gapura.terms.programme import MOVES

WALLET = grants.wallet("moving", "tokens")


def balance(vendor: Vendor) -> int:
    return vendor.store.read(lambda db: ledger.balance(db, WALLET))


def state(vendor: Vendor, claim: str) -> str:
    return vendor.store.read(lambda db: claims.get(db, None, claim)).state


def test_a_draft_takes_no_claims_and_has_no_wallet(vendor: Vendor) -> None:
    vendor.do(lambda db: pipeline.propose(db, OFFER, vendor.by))
    assert balance(vendor) == 0
    with pytest.raises(Conflict, match="is draft"):
        vendor.claim("acme", export(10))


def test_versions_are_kept_and_the_wallet_follows_one_that_is_open(opened: Vendor) -> None:
    opened.do(lambda db: pipeline.propose(db, OFFER, opened.by))
    assert opened.do(lambda db: programmes.get(db, "moving")).version == 1, "the same text is no new version"
    opened.do(lambda db: pipeline.propose(db, OFFER.replace("10_000_000", "12_000_000"), opened.by))
    assert balance(opened) == 12_000_000
    opened.do(lambda db: pipeline.propose(db, OFFER.replace("10_000_000", "500_000"), opened.by))
    assert balance(opened) == 500_000
    assert [opened.do(lambda db, n=n: programmes.version(db, "moving", n)).version for n in (1, 2, 3)] == [1, 2, 3]  # type: ignore[misc]
    with pytest.raises(Conflict, match="grants tokens"):
        opened.do(lambda db: pipeline.propose(db, OFFER.replace("wallet", 'unit = "USD"\nwallet'), opened.by))


def test_as_much_as_was_used_up_to_the_cap() -> None:
    offer = read(OFFER)
    assert [amounts(offer, tokens) for tokens in (0, 1, 3, 66_667, 10**12)] == [
        (1000, 0), (1000, 1), (1000, 4), (1000, 100_000), (1000, 100_000),
    ]  # fmt: skip


def test_from_claim_to_grants(opened: Vendor) -> None:
    webhook = opened.do(lambda db: webhooks.add(db, webhooks.Wanted(url="https://example.com/"), opened.clock())).id
    claim = opened.claim("acme", export(2000))
    assert (state(opened, claim), opened.vet(), state(opened, claim)) == ("filed", {"clear": 1}, "clear")
    (account,) = opened.approve()
    assert state(opened, claim) == "granted"
    held = opened.store.read(lambda db: grants.of_account(db, account, opened.clock()))
    assert [(one.terms.amount, one.terms.models, one.terms.programme) for one in held] == [
        (1000, ("glm-4",), "moving"), (3000, (), "moving"),
    ]  # fmt: skip
    assert balance(opened) == 10_000_000 - 4000
    assert [one.terms.id for one in held] == opened.store.read(lambda db: claims.granted(db, claim))
    gates_know = opened.store.read(lambda db: accounts.get(db, None, account)).grants
    assert gates_know == tuple(one.terms for one in held)
    topics = [row.topic for row in opened.store.read(lambda db: outbox.page(db, webhook))]
    assert topics == ["claim.filed", "claim.granted"]
    history = opened.store.read(lambda db: claims.history(db, claim))
    assert [(move.state, move.actor, move.reason) for move in history] == [
        ("clear", "prn_1", "because"), ("approved", "prn_1", "because"), ("granted", "prn_1", "because"),
    ]  # fmt: skip
    assert opened.do(lambda db: pipeline.make(db, opened.by)) == [], "each is made once"
    assert opened.store.read(ledger.verify) == []


def test_an_account_claims_once(opened: Vendor) -> None:
    opened.claim("acme", export(10))
    with pytest.raises(Conflict, match="has claimed before"):
        opened.claim("acme", export(10))


def test_only_within_the_window(opened: Vendor) -> None:
    opened.clock.turn(days=60)
    with pytest.raises(Conflict, match="at that time"):
        opened.claim("late", export(10))
    opened.claim("in time", export(10), made_at="2024-07-31T23:59:59+08:00")
    with pytest.raises(BadRequest, match="to come"):
        opened.claim("early", export(10), made_at="2025-01-01T00:00:00Z")


def test_a_wallet_that_does_not_suffice_promises_nothing(opened: Vendor) -> None:
    opened.do(lambda db: pipeline.propose(db, OFFER.replace("10_000_000", "101_000"), opened.by))
    first, second = opened.claim("a", export(66_000)), opened.claim("b", export(10**6))
    opened.vet()
    with pytest.raises(Conflict, match=r"2 claims come to 201000 tokens, and the wallet of moving has 101000"):
        opened.approve(first, second)
    assert state(opened, first) == "clear"
    of = opened.store.read(lambda db: pipeline.plan(db, "moving", [first]))
    opened.do(lambda db: pipeline.approve(db, "moving", of.claims, "apr_1", opened.by))
    left = opened.store.read(lambda db: pipeline.plan(db, "moving", [second])).left
    assert left == 1000, "what is promised is not left, though it is still in the wallet"


def test_a_refused_claim_is_refused_until_somebody_looks(opened: Vendor) -> None:
    claim = opened.claim("acme", b"what, no export")
    assert opened.vet() == {"review": 1}
    opened.do(lambda db: pipeline.decide(db, [claim], "refused", opened.by))
    with pytest.raises(Conflict, match="is refused, and cannot become approved"):
        opened.approve(claim)
    opened.do(lambda db: pipeline.decide(db, [claim], "review", opened.by))
    assert opened.vet() == {}, "a person has decided"
    assert state(opened, claim) == "review"


def test_what_was_got_by_fraud_is_taken_back(opened: Vendor) -> None:
    claim = opened.claim("acme", export(2000))
    opened.vet()
    (account,) = opened.approve()
    opened.do(lambda db: pipeline.revoke(db, claim, opened.by))
    assert state(opened, claim) == "revoked"
    assert balance(opened) == 10_000_000
    assert opened.store.read(lambda db: accounts.get(db, None, account)).grants == ()
    assert opened.store.read(ledger.verify) == []
    with pytest.raises(Conflict, match="is revoked"):
        opened.do(lambda db: pipeline.revoke(db, claim, opened.by))


def test_what_comes_later_says_something_of_what_was_granted(opened: Vendor) -> None:
    first = opened.claim("a", export(2000, "org-1"))
    opened.vet()
    opened.approve()
    opened.claim("b", export(3000, "org-1"))
    opened.vet()
    assert state(opened, first) == "granted"
    (found,) = opened.store.read(lambda db: claims.signals(db, first))
    assert (found.signal, found.effect) == ("former_organisation", "review")


def test_evidence_is_sealed_kept_for_its_time_and_opens_for_its_claim_only(opened: Vendor) -> None:
    claim, secret = opened.claim("acme", export(2000), evidence="usage.json"), opened.store.secret
    kept = opened.store.read(lambda db: claims.evidence(db, claim))
    assert kept is not None and kept[1] is not None and kept[0].name == "usage.json"
    assert sealed.unseal(secret, pipeline.LABEL, claim, kept[1]) == export(2000)
    with pytest.raises(StoreFailed):
        sealed.unseal(secret, pipeline.LABEL, "clm_other", kept[1])
    with pytest.raises(StoreFailed):
        sealed.unseal(secret, pipeline.LABEL, claim, kept[1][:-1] + b"\0")
    opened.clock.turn(days=180)
    assert opened.do(lambda db: claims.forget_evidence(db, opened.clock())) == 1
    kept = opened.store.read(lambda db: claims.evidence(db, claim))
    assert kept is not None and kept[1] is None and not kept[0].kept
    assert opened.store.read(lambda db: claims.measured(db, claim)).tokens == 2000  # type: ignore[union-attr]  # it has one


def test_the_moves_are_whole() -> None:
    assert set().union(*MOVES.values()) <= set(MOVES)


def test_a_claim_that_would_be_given_nothing_holds_up_no_others(vendor: Vendor) -> None:
    text = OFFER.replace("amount = 1000", "matched = { multiplier = 1, cap = 5 }").replace('"1.5"', '"0.1"')
    text = text.replace('"code", "invitation", "record"', '"record"').replace('["code", "invitation"]', "[]")
    text = text.replace("multiplier = 1,", 'multiplier = "0.1",')
    vendor.open(text)
    little, much = vendor.claim("little", export(9)), vendor.claim("much", export(100))
    assert vendor.vet() == {"refused": 1, "clear": 1}
    assert (state(vendor, little), state(vendor, much)) == ("refused", "clear")
    assert len(vendor.approve()) == 1
