"""What became of a programme: the numbers agree with the ledger to the token, and the page says what they say."""

import csv
import io
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.programme.conftest import OFFER, Vendor, export

from gapura.programme import report as pages
from gapura.programme.report import pipeline as reports
from gapura.programme.report import tables
from gapura.providers.prices import Prices
from gapura.store import claims, ledger, records
from gapura.store.sqlite import Store
from gapura.terms.figures import Cost, Flow, Report, Statement
from gapura.terms.price import Price, Rates

PRICES = Prices(
    {}, [Price(provider="glm", model="glm-4", currency="CNY", tiers=(Rates(input=10**9, output=3 * 10**9),))]
)


def ask(vendor: Vendor, request: str, account: str, purses: dict[str, dict[str, int]], **said: Any) -> None:
    """A request as the keeper takes it in: the row, and what its purses pay."""
    row = {
        "provider": "glm",
        "served_model": "glm-4",
        "territory": "CN",
        "input": 0,
        "output": 0,
        "images": 0,
        "seconds": 0,
    }
    row |= said
    alone = len(purses) == 1
    purse = next(iter(purses)) if alone else ""
    paid = sum(sum(of.values()) for of in purses.values())

    def work(db: Any) -> None:
        records.begin(db, "inc_1", "boot", 1)
        db.execute(
            "INSERT INTO request (id, outcome, account, provider, served_model, territory, purse, charged, holds,"
            " input, output, images, seconds, opened_at, incarnation)"
            " VALUES (?, 'complete', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'inc_1')",
            (request, account, row["provider"], row["served_model"], row["territory"], purse, paid if alone else 0,
             "" if alone else "[]", row["input"], row["output"], row["images"], row["seconds"], vendor.clock()),
        )  # fmt: skip
        for name, classes in purses.items():
            if not alone:
                rows = [(request, name, kind, amount) for kind, amount in classes.items()]
                db.executemany("INSERT INTO charge VALUES (?, ?, ?, ?)", rows)
            amount = sum(classes.values())
            ledger.lend(db, "inc_1", name, partial(min, amount), ref=f"l{request}{name}", at=vendor.clock())
            ledger.spend(db, "inc_1", name, classes, ref=f"s{request}{name}", at=vendor.clock())

    vendor.do(work)


@pytest.fixture
def spent(opened: Vendor) -> Vendor:
    """Two accounts with grants: one has used up the first, and a part of the second; the other has done nothing."""
    first, _ = opened.claim("acme", export(2000)), opened.claim("idle", export(3000))
    opened.vet()
    opened.approve()
    opened.clock.turn(days=2)
    account = opened.store.read(lambda db: claims.get(db, None, first)).account
    fixed, matched = (f"gr:{one}" for one in opened.store.read(lambda db: claims.granted(db, first)))
    ask(opened, "req_1", account, {fixed: {"input": 600, "output": 100}}, input=600, output=100)
    ask(opened, "req_2", account, {fixed: {"input": 300}, matched: {"input": 50, "output": 50}}, input=350, output=50)
    ask(opened, "req_3", account, {matched: {"output": 7}}, output=7, served_model="glm-4-air", territory="HK")
    opened.clock.turn(days=200)
    return opened


def reported(vendor: Vendor) -> Report:
    return vendor.store.read(lambda db: reports.report(db, db, "moving", PRICES, vendor.clock()))


def stated(vendor: Vendor, name: str = "acme") -> Statement:
    def work(db: Any) -> Statement:
        (account,) = db.execute("SELECT id FROM account WHERE external_id = ?", (name,)).fetchone()
        return reports.statement(db, db, None, account, PRICES, vendor.clock())

    return vendor.store.read(work)


def test_the_numbers_are_those_of_the_ledger(spent: Vendor) -> None:
    found = reported(spent)
    assert found.agree, found.sums
    assert found.flow == Flow(granted=9500, left=9500 - 1107, spent=1107)
    assert found.classes == {"input": 950, "output": 157}
    assert [(row.model, row.amount, row.requests) for row in found.use.models] == [
        ("glm-4", 1100, 2),
        ("glm-4-air", 7, 1),
    ]
    assert [(row.territory, row.amount, row.accounts) for row in found.use.places] == [("CN", 1100, 1), ("HK", 7, 1)]
    assert (found.use.costs, found.use.unpriced) == ((Cost("CNY", 1_400_000, 1100),), 7)
    assert found.conversion == type(found.conversion)(2, 2, 1, 0, 0, 0)
    assert [(day.day, day.claims, day.granted, day.spent) for day in found.days] == [
        ("2024-06-28", 2, 9500, 0), ("2024-06-30", 0, 0, 1107),
    ]  # fmt: skip
    assert (found.funded, found.wallet) == (10_000_000, 10_000_000 - 9500)


def test_a_programme_in_money_is_told_in_money(vendor: Vendor) -> None:
    vendor.open(OFFER.replace("wallet = 10_000_000", 'wallet = 10_000_000_000\nunit = "CNY"'))
    claim = vendor.claim("acme", export(2000))
    vendor.vet()
    vendor.approve()
    account = vendor.store.read(lambda db: claims.get(db, None, claim)).account
    fixed, matched = (f"gr:{one}" for one in vendor.store.read(lambda db: claims.granted(db, claim)))
    purses = {fixed: {"money": 900}, matched: {"money": 45}}
    ask(vendor, "req_1", account, purses, input=600, output=100, images=2, seconds=3)
    found = reported(vendor)
    assert found.agree, found.sums
    assert (found.use.costs, found.use.unpriced) == ((Cost("CNY", 945, 0),), 0)
    (model,) = found.use.models
    assert (model.unit, model.amount, model.requests, model.units) == ("CNY", 945, 1, {"images": 2, "seconds": 3})
    page = pages.render(found)
    assert ">0.000000945<" in page and "2 images, 3 seconds" in page
    assert "tokens" not in pages.render_statement(stated(vendor)).replace("All sums agree, to the token", "")


def test_what_came_back_is_in_the_wallet_again(spent: Vendor) -> None:
    from gapura.programme.pipeline import watch  # noqa: PLC0415 - what this test is about

    spent.do(lambda db: watch(db, spent.clock()))
    found = reported(spent)
    assert found.agree, found.sums
    assert found.flow == Flow(granted=9500, spent=1107, expired=9500 - 1107)
    assert found.days[-1].returned == 9500 - 1107


def test_a_sum_that_does_not_agree_is_said(spent: Vendor) -> None:
    spent.do(lambda db: db.execute("UPDATE request SET charged = charged - 1 WHERE id = 'req_1'"))
    found = reported(spent)
    assert [one.agrees for one in found.sums] == [True, True, False, True]
    assert not found.agree
    assert "The sums do not agree" in pages.render(found)


def test_a_statement_is_of_one_account(spent: Vendor) -> None:
    found = stated(spent)
    assert found.agree, found.sums
    assert [(line.state, line.flow.granted, line.flow.spent) for line in found.grants] == [
        ("exhausted", 1000, 1000), ("active", 3000, 107),
    ]  # fmt: skip
    assert sorted((one.day, one.kind, one.amount) for one in found.movements) == [
        ("2024-06-28", "grant", 1000), ("2024-06-28", "grant", 3000),
        ("2024-06-30", "spend", 107), ("2024-06-30", "spend", 1000),
    ]  # fmt: skip
    assert stated(spent, "idle").use.amount == 0


def test_the_table_has_every_number(spent: Vendor) -> None:
    rows = list(csv.DictReader(io.StringIO(tables.table(reported(spent)))))
    values = {(row["section"], row["name"], row["measure"]): row["value"] for row in rows}
    assert values["flow", "tokens", "spent"] == "1107"
    assert values["model", "glm/glm-4", "tokens"] == "1100"
    assert values["day", "2024-06-30", "spent"] == "1107"
    assert {value for (section, _, _), value in values.items() if section == "sum"} == {"yes"}
    spent.do(lambda db: db.execute("UPDATE request SET served_model = '@SUM(A1)', provider = '=x' WHERE id = 'req_3'"))
    assert "'=x/@SUM(A1)" in tables.table(reported(spent)), "no formula"
    moved = list(csv.reader(io.StringIO(tables.statement_table(stated(spent)))))
    assert len(moved) == 5


def test_the_page_asks_for_nothing_and_escapes_what_customers_write(spent: Vendor) -> None:
    spent.do(lambda db: db.execute("UPDATE account SET name = '<script>alert(1)</script>'"))
    for page in (pages.render(reported(spent)), pages.render_statement(stated(spent))):
        assert "<script" not in page
        assert not re.findall(r'(?:src|href)="(?!#)', page)
        assert pages.policy().replace("'", "&#39;") in page
        assert "All sums agree, to the token." in page
    assert "&lt;script&gt;" in pages.render_statement(stated(spent))


def test_an_empty_programme_has_a_report_too(opened: Vendor) -> None:
    found = reported(opened)
    assert found.agree and found.flow == Flow()
    assert "Nothing was spent yet." in pages.render(found)


def test_what_others_spent_of_a_shared_ledger_is_told_apart(spent: Vendor, tmp_path: Path) -> None:
    """The ledger is a copy of the store's here, in which another gateway has spent 93 more."""
    other = Store.open(tmp_path / "elsewhere" / "gapura.db", secret=spent.store.secret)
    copy_ledger(spent.store, other)
    (grant,) = spent.store.read(lambda db: db.execute("SELECT id FROM granted WHERE amount = 3000").fetchone())  # type: ignore[misc]

    def spends(db: Any) -> None:
        records.begin(db, "inc_2", "boot", 1)
        ledger.lend(db, "inc_2", f"gr:{grant}", lambda _: 100, ref="l", at=spent.clock())
        ledger.spend(db, "inc_2", f"gr:{grant}", {"input": 93}, ref="s", at=spent.clock())

    other.write(spends).result()
    found = spent.store.read(
        lambda db: other.read(lambda books: reports.report(db, books, "moving", PRICES, spent.clock()))
    )
    assert found.agree, found.sums
    assert (found.flow.spent, found.flow.lent, found.use.amount, found.elsewhere) == (1200, 7, 1107, 93)
    assert sum(day.spent for day in found.days) == 1200
    assert "of this gateway alone" in pages.render(found) and "93 tokens" in pages.render(found)
    account = spent.store.read(lambda db: db.execute("SELECT account FROM granted WHERE id = ?", (grant,)).fetchone())
    assert account is not None
    told = spent.store.read(
        lambda db: other.read(lambda books: reports.statement(db, books, None, str(account[0]), PRICES, spent.clock()))
    )
    assert told.agree and told.elsewhere == 93
    assert {line.flow.spent for line in told.grants} == {1000, 200}
    other.close()


def copy_ledger(store: Store, other: Store) -> None:
    for table in ("ledger_account", "transfer", "granted"):
        rows = store.read(partial(everything, table=table))
        other.write(partial(insert, table=table, rows=rows)).result()


def everything(db: Any, table: str) -> list[Any]:
    return db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # type: ignore[no-any-return]


def insert(db: Any, table: str, rows: list[Any]) -> None:
    db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
