"""A batch makes the same rows, however its entries are cut into batches: at once, or one after the other."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gapura.store import ledger, paid, records, steps, whole
from gapura.store.base import Connection
from gapura.store.journal import Frame, Position
from gapura.terms.holds import Taken
from gapura.terms.price import Rates
from gapura.terms.record import Context, Ended, Entry, Marked, Opened, Outcome, Progress, Refused
from gapura.terms.usage import Usage

NAMES = st.sampled_from(["req_1", "req_2", "req_3"])
OUTCOMES = st.sampled_from(["complete", "cut", "failed"])
TABLES = ("request", "request_place", "attempt", "charge")
SEVERAL = (Taken("bud:b:0", 9_000, (Rates(input=10**9, output=10**9),)), Taken("gr:1", 3), Taken("tok:a", 7))

ALONE = (Taken("bud:b:0", 9), Taken("gr:1", 5))


def context(name: str) -> Context:
    return Context(
        f"acc_{name}", "key_1", "org_1", "gpt", True, False, "CN", "certain", "peer", "198.51.100.7", "203.0.113.9",
        "SG", f"dec_{name}", "v1", "warn", (), (),
    )  # fmt: skip


def opened(name: str, attempt: int, hold: int, purse: str, holds: tuple[Taken, ...] = ()) -> Opened:
    first = attempt == 1
    told = context(name) if first else None
    return Opened(name, attempt, attempt, "glm", "glm-4.6", hold, purse, ("seed",), "" if first else "502", told, holds)


def ended(name: str, outcome: Outcome, used: int) -> Ended:
    return Ended(name, 90 + used, outcome, 200, Usage(used, used, 1, 1, estimated=used % 2 == 0), outcome)


ENTRIES = st.lists(
    st.one_of(
        st.builds(
            opened, NAMES, st.sampled_from([1, 1, 1, 2]), st.sampled_from([0, 10]), st.sampled_from(["", "tok:a"])
        ),
        st.builds(
            opened, NAMES, st.sampled_from([1, 1, 2]), st.just(10), st.just(""), st.sampled_from([SEVERAL, ALONE])
        ),
        st.builds(ended, NAMES, OUTCOMES, st.integers(0, 9)),
        st.builds(lambda name: Progress(50, ((name, 3, 4),)), NAMES),
        st.builds(lambda name: Refused(name, 60, 403, "blocked", context(name)), NAMES),
        st.just(Marked(70, {"tok:a": 1})),
    ),
    max_size=12,
)


def state(entries: list[Entry], *, one_by_one: bool) -> tuple[Any, ...]:
    """Everything that taking them in leaves behind."""
    db = Connection(":memory:")
    steps.upgrade(db)
    records.begin(db, "inc_1", "boot_1", 5)
    frames = [Frame(number, entry) for number, entry in enumerate(entries, 1)]
    spends: dict[str, dict[str, int]] = {}
    for batch in [[frame] for frame in frames] if one_by_one else [frames]:
        intake = records.take_in(db, "inc_1", batch, Position(1, 1 + len(batch)))
        for purse, amounts in intake.spends.items():
            paid.add(spends, {purse: amounts})
    tables = [sorted(map(repr, db.execute(f"SELECT * FROM {table}"))) for table in TABLES]
    found = (*tables, spends, records.alarms(db))
    db.close()
    return found


@settings(deadline=None)  # a database for each example
@given(ENTRIES)
def test_how_entries_are_cut_into_batches_changes_nothing(entries: list[Entry]) -> None:
    assert state(entries, one_by_one=False) == state(entries, one_by_one=True)


def test_an_ordinary_request_is_made_at_once() -> None:
    begun, end = opened("req_1", 1, 10, "tok:a"), ended("req_1", "complete", 3)
    assert whole.pairs([Marked(1, {}), begun, opened("req_2", 1, 1, ""), end]) == {"req_1": (begun, end)}
    assert whole.pairs([begun, Progress(5, (("req_1", 1, 1),)), end]) == {}
    assert whole.pairs([begun, opened("req_1", 2, 10, "tok:a"), end]) == {}
    assert whole.pairs([begun, end, end]) == whole.pairs([begun, end, begun, begun, end]) == {}


def test_several_purses_pay_and_the_record_says_who() -> None:
    db = Connection(":memory:")
    steps.upgrade(db)
    records.begin(db, "inc_1", "boot_1", 5)
    first, second = (opened(name, 1, 10, "", SEVERAL) for name in ("req_1", "req_2"))
    frames = [Frame(1, first), Frame(2, ended("req_1", "complete", 4)), Frame(3, second)]
    intake = records.take_in(db, "inc_1", frames, Position(1, 4))
    spent = {"bud:b:0": {"money": 8_000}, "gr:1": {"input": 3}, "tok:a": {"cached": 1, "output": 3, "reasoning": 1}}
    assert intake.spends == spent
    # The gate died: what it had relayed of the other is paid the same way.
    records.take_in(db, "inc_1", [Frame(4, Progress(50, (("req_2", 5, 2),)))], Position(1, 5))
    ended_too, spends = records.end_abandoned(db, "inc_1")
    assert ended_too == {"cut": 1, "failed": 0}
    assert spends == {"bud:b:0": {"money": 7_000}, "gr:1": {"input": 3}, "tok:a": {"input": 2, "output": 2}}
    first_row, second_row = records.export(db)
    assert first_row["holds"] == [{"purse": one.purse, "amount": one.amount} for one in SEVERAL]
    assert {"purse": "tok:a", "class": "output", "amount": 3} in first_row["charges"]
    assert (len(first_row["charges"]), len(second_row["charges"])) == (5, 4)
    db.close()


def test_one_payer_stands_in_the_row_and_budgets_beside_it() -> None:
    db = Connection(":memory:")
    steps.upgrade(db)
    records.begin(db, "inc_1", "boot_1", 5)
    holds = (Taken("bud:b:0", 10), replace(SEVERAL[0], purse="bud:m:0"), Taken("gr:1", 10))
    frames = [Frame(1, opened("req_1", 1, 10, "", holds)), Frame(2, ended("req_1", "complete", 4))]
    intake = records.take_in(db, "inc_1", frames, Position(1, 2))
    classes = {"input": 3, "cached": 1, "output": 3, "reasoning": 1}
    assert intake.spends == {"bud:b:0": classes, "bud:m:0": {"money": 8_000}, "gr:1": classes}
    assert db.execute("SELECT purse, hold, charged FROM request").fetchall() == [("gr:1", 10, 8)]
    assert db.execute("SELECT count(*) FROM charge").fetchone() == (0,)
    (row,) = records.export(db)
    charges: dict[str, dict[str, int]] = {}
    for one in row["charges"]:
        charges.setdefault(one["purse"], {})[one["class"]] = one["amount"]
    assert charges == intake.spends
    assert row["holds"] == [{"purse": one.purse, "amount": one.amount} for one in holds]
    lent(db, holds)
    for purse, amounts in intake.spends.items():
        assert ledger.spend(db, "inc_1", purse, amounts, ref=f"s:{purse}", at=1) == 0
    assert ledger.verify(db) == []
    db.execute("UPDATE request SET holds = replace(holds, '8000', '7999')")
    assert ledger.verify(db) == ["of bud:m:0 8000 is spent, but its requests were charged 7999"]
    db.close()


def lent(db: Connection, holds: tuple[Taken, ...]) -> None:
    for one in holds:
        unit = "CNY" if one.tiers else "tokens"
        ledger.set_budget(db, one.purse, one.amount, ref=f"b:{one.purse}", at=1, unit=unit)
        ledger.lend(db, "inc_1", one.purse, lambda left: left, ref=f"l:{one.purse}", at=1)


def test_a_grant_in_money_pays_in_the_table_of_charges() -> None:
    db = Connection(":memory:")
    steps.upgrade(db)
    records.begin(db, "inc_1", "boot_1", 5)
    holds = (replace(SEVERAL[0], purse="gr:m"),)
    frames = [Frame(1, opened("req_1", 1, 10, "", holds)), Frame(2, ended("req_1", "complete", 4))]
    intake = records.take_in(db, "inc_1", frames, Position(1, 2))
    assert intake.spends == {"gr:m": {"money": 8_000}}
    assert db.execute("SELECT purse, charged FROM request").fetchall() == [("", 0)]
    assert db.execute("SELECT purse, class, amount FROM charge").fetchall() == [("gr:m", "money", 8_000)]
    db.close()
