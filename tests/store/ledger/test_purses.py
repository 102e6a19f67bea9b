"""No token is lost, none is counted twice, and nothing can be overspent."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.store.ledger.conftest import begun, refused, sqlite

from gapura.store import ledger, records
from gapura.store.ledger import Books, Standing

INSERT = "INSERT INTO transfer (debit, credit, amount, kind, ref, at)"


def exactly(amount: int) -> Callable[[int], int]:
    return lambda left: amount


def budget(db: Books, total: int, ref: str = "b1") -> int:
    return ledger.set_budget(db, "tok:acc_1", total, ref=ref, at=1)


def lend(db: Books, amount: int, ref: str = "l1", incarnation: str = "inc_1") -> int:
    return ledger.lend(db, incarnation, "tok:acc_1", exactly(amount), ref=ref, at=2)


def test_the_way_of_a_token(db: Books) -> None:
    assert budget(db, 100) == 100
    assert lend(db, 60) == 60
    assert ledger.spend(db, "inc_1", "tok:acc_1", {"tokens": 25}, ref="s1", at=3) == 0
    assert ledger.give_back(db, "inc_1", "tok:acc_1", 5, ref="g1", at=4) == 5
    assert ledger.standing(db, "tok:acc_1") == Standing(granted=100, left=45, lent=30, spent=25, unreconciled=0)
    assert ledger.lent(db, "inc_1") == {"tok:acc_1": 55}
    assert ledger.holders(db, "tok:acc_1") == ["inc_1"]
    assert ledger.close(db, "inc_1", forfeit=False, at=5) == {"tok:acc_1": 30}
    assert ledger.standing(db, "tok:acc_1") == Standing(granted=100, left=75, lent=0, spent=25, unreconciled=0)
    assert ledger.holders(db, "tok:acc_1") == []
    assert ledger.balance(db, ledger.operator()) == -100


def test_after_a_power_cut_the_rest_waits_for_a_person(db: Books) -> None:
    budget(db, 100)
    lend(db, 60)
    assert ledger.close(db, "inc_1", forfeit=True, at=5) == {"tok:acc_1": 60}
    assert ledger.standing(db, "tok:acc_1") == Standing(100, 40, 0, 0, 60)
    assert ledger.reconcile(db, "tok:acc_1", 50, ref="r1", at=6) == 50
    assert ledger.reconcile(db, "tok:acc_1", 50, ref="r1", at=6) == 0
    assert ledger.reconcile(db, "tok:acc_1", 50, ref="r2", at=6) == 10
    assert ledger.standing(db, "tok:acc_1") == Standing(100, 100, 0, 0, 0)


def test_what_comes_twice_counts_once(db: Books) -> None:
    for _ in range(2):
        assert budget(db, 100) == 100
        assert lend(db, 60) == 60
        ledger.spend(db, "inc_1", "tok:acc_1", {"tokens": 25}, ref="s1", at=3)
    assert ledger.give_back(db, "inc_1", "tok:acc_1", 5, ref="g1", at=4) == 5
    assert ledger.give_back(db, "inc_1", "tok:acc_1", 5, ref="g1", at=4) == 0
    ledger.close(db, "inc_1", forfeit=False, at=5)
    assert ledger.close(db, "inc_1", forfeit=False, at=5) == {}
    assert ledger.standing(db, "tok:acc_1") == Standing(100, 75, 0, 25, 0)


def test_no_more_is_lent_than_is_left(db: Books) -> None:
    budget(db, 100)
    assert lend(db, 70, "l1") == 70
    assert lend(db, 70, "l2", "inc_2") == 30
    assert lend(db, 70, "l3", "inc_2") == 0
    assert ledger.lend(db, "inc_1", "tok:acc_2", exactly(1), ref="l4", at=2) == 0


def test_nothing_is_lent_to_a_gate_that_is_closed_or_unknown(db: Books) -> None:
    budget(db, 100)
    records.close(db, "inc_2", 0, 5)
    assert lend(db, 1, "l1", "inc_2") == lend(db, 1, "l2", "inc_3") == 0


def test_a_slice_gives_back_no_more_than_it_has(db: Books) -> None:
    budget(db, 100)
    lend(db, 10)
    assert ledger.give_back(db, "inc_1", "tok:acc_1", 50, ref="g1", at=3) == 10


@pytest.mark.parametrize(
    ("total", "granted", "left"),
    [(200, 200, 150), (80, 80, 30), (50, 50, 0), (10, 50, 0), (0, 50, 0), (-1, 50, 0)],
)
def test_a_budget_is_changed(db: Books, total: int, granted: int, left: int) -> None:
    """Of 100, 20 are spent and 30 lent: less than 50 cannot be."""
    budget(db, 100)
    lend(db, 50)
    ledger.spend(db, "inc_1", "tok:acc_1", {"tokens": 20}, ref="s1", at=3)
    assert budget(db, total, "b2") == granted
    assert ledger.standing(db, "tok:acc_1") == Standing(granted, left, 30, 20, 0)


def test_a_lower_budget_takes_what_gates_give_back(db: Books) -> None:
    budget(db, 100)
    lend(db, 50)
    ledger.spend(db, "inc_1", "tok:acc_1", {"tokens": 20}, ref="s1", at=3)
    budget(db, 25, "b2")
    ledger.give_back(db, "inc_1", "tok:acc_1", 20, ref="g1", at=4)
    assert ledger.standing(db, "tok:acc_1") == Standing(30, 0, 10, 20, 0)
    ledger.close(db, "inc_1", forfeit=False, at=5)
    assert ledger.standing(db, "tok:acc_1") == Standing(25, 5, 0, 20, 0)


def test_what_was_consumed_is_counted_even_where_nobody_lent_it(db: Books) -> None:
    budget(db, 100)
    lend(db, 10)
    assert ledger.spend(db, "inc_1", "tok:acc_1", {"tokens": 130}, ref="s1", at=3) == 30
    assert ledger.spend(db, "inc_1", "tok:acc_1", {"tokens": 130}, ref="s1", at=3) == 0
    assert ledger.standing(db, "tok:acc_1") == Standing(130, 0, 0, 130, 0)
    assert "spent:tok:acc_1:tokens got 120 that no gate had been lent" in ledger.adds_up(db)


def test_the_schema_refuses_what_must_not_be(db: Books) -> None:
    budget(db, 100)
    lend(db, 10)
    for statement in (
        "UPDATE transfer SET amount = 1",
        "DELETE FROM transfer",
        f"{INSERT} SELECT max(id), min(id), 0, 'x', 'x', 1 FROM ledger_account",
        f"{INSERT} SELECT id, id, 5, 'x', 'x', 1 FROM ledger_account WHERE kind = 'left'",
        f"{INSERT} SELECT id, id + 9999, 5, 'x', 'x', 1 FROM ledger_account WHERE kind = 'left'",
        f"{INSERT} SELECT max(id), min(id), 5, 'x', 'a|b', 1 FROM ledger_account",
        "UPDATE ledger_account SET balance = -1 WHERE name = 'left:tok:acc_1'",
    ):
        assert refused(db, statement), statement
    assert not refused(db, f"{INSERT} SELECT max(id), min(id), 5, 'x', 'x', 1 FROM ledger_account")


def test_verify_finds_planted_faults() -> None:
    db = sqlite()
    budget(db, 100)
    assert ledger.verify(db) == []
    db.execute("UPDATE ledger_account SET balance = 99 WHERE name = 'left:tok:acc_1'")
    db.execute(
        "INSERT INTO request (id, outcome, purse, charged, opened_at, incarnation)"
        " VALUES ('r', 'cut', 'tok:acc_1', 3, 1, 'i')"
    )
    assert ledger.verify(db) == [
        "left:tok:acc_1 has 99, but its transfers make 100",
        "all accounts in tokens have -1 together, which must be 0",
        "of tok:acc_1 0 is spent, but its requests were charged 3",
    ]
    db.close()


GATES = st.sampled_from(["a", "b"])


class Machine(RuleBasedStateMachine):
    """Two gates as a model would have them: what a gate holds is a number, and the ledger always agrees."""

    def __init__(self) -> None:
        super().__init__()
        self.db, self.n = sqlite(), 0
        begun(self.db)
        self.wanted = self.spent = self.forfeited = 0
        self.names = {"a": "inc_1", "b": "inc_2"}
        self.held = {"a": 0, "b": 0}
        self.pending = {"a": 0, "b": 0}

    def teardown(self) -> None:
        self.db.close()

    def ref(self) -> str:
        self.n += 1
        return f"ref{self.n}"

    @rule(total=st.integers(-1, 500))
    def set_budget(self, total: int) -> None:
        self.wanted = max(total, 0)
        budget(self.db, total, self.ref())

    @rule(gate=GATES, want=st.integers(1, 200))
    def lend(self, gate: str, want: int) -> None:
        self.held[gate] += lend(self.db, want, self.ref(), self.names[gate])

    @rule(gate=GATES, share=st.floats(0, 1))
    def serve(self, gate: str, share: float) -> None:
        used = int(self.held[gate] * share)
        self.held[gate] -= used
        self.pending[gate] += used

    @rule(gate=GATES)
    def ingest(self, gate: str) -> None:
        if used := self.pending[gate]:
            assert ledger.spend(self.db, self.names[gate], "tok:acc_1", {"tokens": used}, ref=self.ref(), at=1) == 0
            self.spent += used
            self.pending[gate] = 0

    @rule(gate=GATES, share=st.floats(0, 1))
    def give_back(self, gate: str, share: float) -> None:
        amount = int(self.held[gate] * share)
        self.held[gate] -= amount
        assert ledger.give_back(self.db, self.names[gate], "tok:acc_1", amount, ref=self.ref(), at=1) == amount

    @rule(gate=GATES, forfeit=st.booleans())
    def crash(self, gate: str, forfeit: bool) -> None:
        """Its journal is taken in, its slice closed, and another process takes its place."""
        self.ingest(gate)
        ledger.close(self.db, self.names[gate], forfeit=forfeit, at=1)
        records.close(self.db, self.names[gate], 0, 1)
        self.forfeited += self.held[gate] if forfeit else 0
        self.held[gate] = 0
        self.names[gate] = f"inc_{self.ref()}"
        records.begin(self.db, self.names[gate], "boot", 1)

    @precondition(lambda self: self.forfeited)
    @rule()
    def reconcile(self) -> None:
        assert ledger.reconcile(self.db, "tok:acc_1", 10**9, ref=self.ref(), at=1) == self.forfeited
        self.forfeited = 0

    @invariant()
    def agrees(self) -> None:
        now = ledger.standing(self.db, "tok:acc_1")
        held = sum(self.held.values()) + sum(self.pending.values())
        assert (now.lent, now.spent, now.unreconciled) == (held, self.spent, self.forfeited)
        assert now.granted == max(self.wanted, held + self.spent + self.forfeited)
        assert [line for line in ledger.verify(self.db) if "charged" not in line] == []
        for gate, name in self.names.items():
            assert ledger.balance(self.db, f"lent:{name}:tok:acc_1") == self.held[gate] + self.pending[gate]


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
