"""Offers as people write them: what is read, and the field that is named where something cannot be meant."""

import pytest
from tests.programme.conftest import OFFER, STARTS

from gapura.clock import instant
from gapura.programme.offer import read
from gapura.rulebook.documents import BadDocument
from gapura.terms.programme import Matched


def test_an_offer_is_read() -> None:
    offer = read(OFFER)
    assert (offer.id, offer.starts, offer.wallet, offer.unit) == ("moving", STARTS, 10_000_000, "tokens")
    fixed, matched = offer.grants
    assert (fixed.amount, fixed.days, fixed.models) == (1000, 90, ("glm-4",))
    assert matched.matched == Matched(1500, 100_000)
    assert matched.ends == instant("2024-12-31T00:00:00+08:00")


@pytest.mark.parametrize(
    ("here", "instead", "path"),
    [
        ('id = "moving"', 'id = "Moving!"', "programme.id"),
        ('id = "moving"', "", "programme"),
        ('title = "Moving', 'titel = "Moving', "programme.titel"),
        ("from = 2024-06-25T00:00:00+08:00", "from = 2024-06-25", "programme.from"),
        ("from = 2024-06-25T00:00:00+08:00", "from = 2024-06-25T00:00:00", "programme.from"),
        ("until = 2024-08-01T00:00:00+08:00", "until = 2024-06-01T00:00:00+08:00", "programme.until"),
        ("wallet = 10_000_000", "wallet = 0", "programme.wallet"),
        ("wallet = 10_000_000", "wallet = 500", "grants[0]"),
        ('ways = ["export", "code", "invitation", "record"]', 'ways = ["letter"]', "eligibility.ways[0]"),
        ('ways = ["export", "code", "invitation", "record"]', "ways = []", "eligibility.ways"),
        ("amount = 1000", "matched = { multiplier = 1, cap = 5 }", "eligibility.ways"),
        ('ways = ["export", "code", "invitation", "record"]', 'ways = ["code", "invitation"]', "grants[1].matched"),
        ("measured_days = 60", "measured_days = 0", "eligibility.measured_days"),
        ("measured_days = 60", 'territories = ["Chnia"]', "eligibility.territories[0]"),
        ("measured_days = 60", "least_days = 100", "eligibility.least_days"),
        ('automatic = ["code", "invitation"]', 'signals = { card = "refuse" }', "vetting.signals.card"),
        ('automatic = ["code", "invitation"]', 'signals = { payment = "block" }', "vetting.signals.payment"),
        ('automatic = ["code", "invitation"]', "velocity = 0", "vetting.velocity"),
        ("amount = 1000", "amount = 0", "grants[0].amount"),
        ("amount = 1000", "", "grants[0]"),
        ("days = 90", "days = 90\nuntil = 2025-01-01T00:00:00Z", "grants[0]"),
        ("days = 90", "until = 2024-01-01T00:00:00Z", "grants[0].until"),
        ("days = 90", "priority = 300", "grants[0].priority"),
        ("days = 90", 'category = "gift"', "grants[0].category"),
        ("days = 90", 'models = ["glm-4", ""]', "grants[0].models[1]"),
        ('multiplier = "1.5"', "multiplier = 1.5", "grants[1].matched.multiplier"),
        ('multiplier = "1.5"', 'multiplier = "1.0005"', "grants[1].matched.multiplier"),
        ('multiplier = "1.5"', 'multiplier = "much"', "grants[1].matched.multiplier"),
        ("cap = 100_000", "", "grants[1].matched"),
        ("[eligibility]", "[eligible]", "eligible"),
        ("[programme]", "[programme", "document"),
    ],
)
def test_the_field_is_named(here: str, instead: str, path: str) -> None:
    written = OFFER.replace(", cap", " , cap") if here.startswith("cap") else OFFER
    assert here in written
    if path == "grants[0].models[1]":
        written = written.replace('models = ["glm-4"]\n', "")
    with pytest.raises(BadDocument) as caught:
        read(written.replace(", " * here.startswith("cap") + here, instead, 1))
    assert caught.value.path == path, str(caught.value)


def test_an_offer_that_grants_nothing() -> None:
    with pytest.raises(BadDocument, match=r"grants: .*\[\[grants\]\]"):
        read(OFFER.partition("[[grants]]")[0])
