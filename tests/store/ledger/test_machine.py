"""Whatever happens in whatever order, and wherever the process dies: everything adds up, no grant is overspent, a hold
is resolved at most once, a repetition changes nothing, and both engines agree."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.store.ledger.conftest import SECRET, sqlite
from tests.store.ledger.machine import GATES, Model, play

from gapura.store.ledger import Books, chain, postgres

CRASH = st.none() | st.integers(0, 14)
SHARE = st.integers(0, 100)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.connection = sqlite()
        self.connection.execute("BEGIN")
        self.model = Model(self.connection)

    def teardown(self) -> None:
        self.connection.close()

    def one(self, data: st.DataObject, of: Any) -> Any:
        return data.draw(st.sampled_from(sorted(of)))

    @rule(amount=st.integers(1, 600), crash=CRASH)
    def grant(self, amount: int, crash: int | None) -> None:
        self.model.grant(amount, crash)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), amount=st.integers(1, 300), crash=CRASH)
    def top_up(self, data: st.DataObject, amount: int, crash: int | None) -> None:
        self.model.top_up(self.one(data, self.model.grants), amount, crash)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), amount=st.integers(1, 90), lasts=st.integers(1, 40), crash=CRASH)
    def hold(self, data: st.DataObject, amount: int, lasts: int, crash: int | None) -> None:
        self.model.hold(self.one(data, self.model.grants), amount, lasts, crash)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), share=SHARE, crash=CRASH)
    def capture(self, data: st.DataObject, share: int, crash: int | None) -> None:
        self.model.capture(self.one(data, self.model.holds), share, crash)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), crash=CRASH)
    def void(self, data: st.DataObject, crash: int | None) -> None:
        self.model.void(self.one(data, self.model.holds), crash)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), gate=st.sampled_from(GATES), amount=st.integers(1, 200), crash=CRASH)
    def lend(self, data: st.DataObject, gate: str, amount: int, crash: int | None) -> None:
        self.model.lend(self.one(data, self.model.grants), gate, amount, crash)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), gate=st.sampled_from(GATES), share=SHARE, crash=CRASH)
    def spend(self, data: st.DataObject, gate: str, share: int, crash: int | None) -> None:
        self.model.spend(self.one(data, self.model.grants), gate, share, crash)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), gate=st.sampled_from(GATES), share=SHARE, crash=CRASH)
    def give_back(self, data: st.DataObject, gate: str, share: int, crash: int | None) -> None:
        self.model.give_back(self.one(data, self.model.grants), gate, share, crash)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), how=st.sampled_from(["void", "claw_back"]), crash=CRASH)
    def end(self, data: st.DataObject, how: str, crash: int | None) -> None:
        self.model.end(self.one(data, self.model.grants), how, crash)

    @rule(ticks=st.integers(-10, 30), crash=CRASH)
    def time_passes(self, ticks: int, crash: int | None) -> None:
        self.model.time_passes(ticks, crash)

    @rule()
    def replay(self) -> None:
        self.model.replay()

    @invariant()
    def adds_up(self) -> None:
        self.model.check()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_seeds_give_the_same_on_both_engines(seed: int, prepared: Any) -> None:
    db = sqlite()
    db.execute("BEGIN")
    prepared.execute("BEGIN")
    try:
        there = play(Model(postgres.Connected(prepared)), seed, 60)
        here = play(Model(db), seed, 60)
    finally:
        prepared.execute("ROLLBACK")
        db.close()
    assert here == there
    assert len(here) > 30


def test_every_statement_of_every_step_may_be_the_last(opened: Callable[[], Books]) -> None:
    """A step each, with a crash at its first statement, its second, and so on until it comes through."""
    for last in range(40):
        model = Model(opened())
        model.grant(300, last)
        model.top_up("g1", 50, last)
        model.lend("g1", "inc_1", 100, last)
        model.spend("g1", "inc_1", 50, last)
        model.give_back("g1", "inc_1", 20, last)
        model.hold("g1", 60, 5, last)
        model.hold("g1", 60, 5, last)
        hold, other = model.holds
        model.capture(hold, 30, last)
        model.void(other, last)
        model.end("g1", "void", last)
        model.give_back("g1", "inc_1", 50, last)
        model.time_passes(100, last)
        model.check()
        assert chain.verify(model.db, SECRET) is None
