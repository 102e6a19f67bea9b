"""What those write who claim twice."""

import pytest

from gapura.wire.alike import company, domain, mailbox


@pytest.mark.parametrize(
    "name",
    ["ACME", "\uff21\uff23\uff2d\uff25", "\u0410\u0421\u041c\u0415", "\u0391c\u200bme", " acme. ", "a\u0441me"],
)
def test_a_company_by_any_of_its_looks(name: str) -> None:
    assert company(name) == "acme"


@pytest.mark.parametrize("name", ["\u0440\u043e\u043c\u0430\u0448\u043a\u0430", "\u767e\u5ea6", "caf\u00e9 bleu"])
def test_a_name_of_its_own_script_stays_as_it_is(name: str) -> None:
    assert company(name) == name


def test_domains_and_mailboxes() -> None:
    assert domain("ACME.example.") == domain("\u0430cme.example") == "acme.example"
    assert domain("xn--bcher-kva.example") == domain("b\u00fccher.example")
    assert domain("xn--\u0430") and domain("x" * 70) == "x" * 70, "what is none is compared as it is"
    assert mailbox("a.da+1@gmail.com") == mailbox("ADA@googlemail.com") == "ada@gmail.com"
    assert mailbox("a.da+1@acme.example") == "a.da@acme.example"
