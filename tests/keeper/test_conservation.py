"""Lending, serving, taking in, dying, power cuts and recovery in any order: every token is somewhere, exactly once.

Not one module's test: it is about what ledger, journal, lending, ingestion and recovery promise together.
"""

import asyncio
import tempfile
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gapura.clock import TurnableClock
from gapura.keeper.ingest import Ingest
from gapura.keeper.lending import Lending
from gapura.keeper.recover import recover
from gapura.store import ledger, records
from gapura.store.journal import Journal
from gapura.store.sqlite import Store
from gapura.terms.link import VERSION, Ask, GiveBack, Hello
from gapura.terms.record import Context, Ended, Opened, Progress
from gapura.terms.usage import Usage

CONTEXT = Context("acc_1", "key_1", "o", "m", True, False, "", "", "", "", "", "", "", "v", "allow", (), ())
GRANTED = 500


class Nobody:
    """No gate answers a recall."""

    count = 2

    async def recall(self, purse: str, incarnations: object) -> None:
        return


class Gate:
    """A journal, what is free of the slice, and the holds and outputs of open requests."""

    def __init__(self, log: Journal, name: str) -> None:
        self.log, self.name = log, name
        self.free = self.lent = 0
        self.open: dict[str, list[int]] = {}


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        home = Path(self.folder.name)
        self.clock, self.n, self.boot = TurnableClock(0), 0, 1
        self.store = Store.open(home / "gapura.db", clock=self.clock)
        self.store.write(lambda db: ledger.set_budget(db, "tok:acc_1", GRANTED, ref="b", at=1)).result()
        self.ingest = Ingest(self.store, home / "journal", self.clock)
        self.lending = Lending(self.store, self.clock, "boot 1")
        self.gates: list[Gate] = []
        self.ends: dict[str, str] = {}
        self.charged = self.forfeited = 0

    def teardown(self) -> None:
        for gate in self.gates:
            gate.log.close()
        self.store.close()
        self.folder.cleanup()

    def number(self) -> int:
        self.n += 1
        return self.n

    @precondition(lambda self: len(self.gates) < 3)
    @rule()
    def start(self) -> None:
        name = f"inc_{self.number():04}"
        log = Journal.open(
            self.ingest.folder, name, segment_bytes=128 * 1024, clock=self.clock, boot=f"boot {self.boot}"
        )
        self.gates.append(Gate(log, name))
        assert asyncio.run(self.lending.join(Hello(VERSION, name, 0, 1)))

    @precondition(lambda self: self.gates)
    @rule(want=st.integers(1, 60), arrives=st.booleans(), data=st.data())
    def borrow(self, want: int, arrives: bool, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from(self.gates))
        grant = asyncio.run(self.lending.answer(gate.name, Ask(self.number(), "tok:acc_1", want), Nobody()))
        if arrives:
            gate.free += grant.amount
            gate.lent += grant.amount
        else:  # the connection broke: the gate says what it has when it comes again
            asyncio.run(self.lending.join(Hello(VERSION, gate.name, 0, 1, lent={"tok:acc_1": gate.lent})))

    @precondition(lambda self: self.gates)
    @rule(share=st.floats(0, 1), data=st.data())
    def give_back(self, share: float, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from(self.gates))
        amount = int(gate.free * share)
        gate.free -= amount
        gate.lent -= amount
        asyncio.run(self.lending.give_back(gate.name, GiveBack("tok:acc_1", amount)))

    @precondition(lambda self: any(gate.free for gate in self.gates))
    @rule(data=st.data())
    def open(self, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from([gate for gate in self.gates if gate.free]))
        hold, name = data.draw(st.integers(1, gate.free)), f"req_{self.number():04}"
        gate.free -= hold
        gate.open[name] = [hold, 0]
        gate.log.append(Opened(name, self.n, 1, "glm", "glm-4.6", hold, "tok:acc_1", context=CONTEXT))

    @precondition(lambda self: any(gate.open for gate in self.gates))
    @rule(more=st.integers(0, 30), data=st.data())
    def relay(self, more: int, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from([gate for gate in self.gates if gate.open]))
        for one in gate.open.values():
            one[1] += more
        gate.log.append(Progress(self.number(), tuple((name, 0, out) for name, (_, out) in gate.open.items())))

    @precondition(lambda self: any(gate.open for gate in self.gates))
    @rule(failed=st.booleans(), data=st.data())
    def end(self, failed: bool, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from([gate for gate in self.gates if gate.open]))
        name = data.draw(st.sampled_from(sorted(gate.open)))
        hold, used = gate.open.pop(name)
        gate.log.append(Ended(name, self.number(), "failed" if failed else "complete", 200, Usage(0, used)))
        charged = 0 if failed else min(hold, used)
        gate.free += hold - charged
        self.charged += charged
        self.ends[name] = "failed" if failed else "complete"

    @rule()
    def take_in(self) -> None:
        asyncio.run(self.ingest.step())

    @precondition(lambda self: self.gates)
    @rule(recovers=st.booleans(), data=st.data())
    def die(self, recovers: bool, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from(self.gates))
        self._die(gate)
        if recovers:
            self.recover()

    @rule()
    def power_cut(self) -> None:
        """Every gate is gone; the disk kept everything, but nobody can know that."""
        self.recover()
        for gate in list(self.gates):
            self.forfeited += gate.free + sum(hold - min(hold, used) for hold, used in gate.open.values())
            self._die(gate)
        self.boot += 1
        self.lending = Lending(self.store, self.clock, f"boot {self.boot}")
        self.recover()

    @rule()
    def recover(self) -> None:
        asyncio.run(recover(self.store, self.ingest, self.clock, f"boot {self.boot}"))

    def _die(self, gate: Gate) -> None:
        self.gates.remove(gate)
        gate.log.close()
        for name, (hold, used) in gate.open.items():
            self.charged += min(hold, used)
            self.ends[name] = "cut" if used else "failed"

    @invariant()
    def adds_up(self) -> None:
        now = self.store.read(lambda db: ledger.standing(db, "tok:acc_1"))
        assert (now.granted, now.unreconciled) == (GRANTED, self.forfeited)
        assert now.spent <= self.charged <= GRANTED
        assert self.store.read(ledger.verify) == []

    @invariant()
    def is_the_same_when_all_is_taken_in(self) -> None:
        if self.n % 7:
            return
        self.recover()
        asyncio.run(self.ingest.step())
        now = self.store.read(lambda db: ledger.standing(db, "tok:acc_1"))
        assert now.spent == self.charged
        held = {gate.name: gate.free + sum(hold for hold, _ in gate.open.values()) for gate in self.gates}
        assert {name: self.store.read(partial(ledger.balance, name=f"lent:{name}:tok:acc_1")) for name in held} == held
        rows = self.store.read(lambda db: records.export(db, limit=10**6))
        assert {row["id"]: row["outcome"] for row in rows if row["outcome"] != "open"} == self.ends
        assert {row["id"] for row in rows if row["outcome"] == "open"} == {n for gate in self.gates for n in gate.open}


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
