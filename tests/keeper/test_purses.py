"""Grants, budgets and an account's tokens together: metered by gates, journaled, taken in; gates die and days end.

After every step the ledger adds up and no purse is overspent; in the end every purse has what its requests make.
"""

import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gapura.clock import SECOND, TurnableClock
from gapura.errors import LimitReached
from gapura.gate.purses import Purses
from gapura.keeper.ingest import Ingest
from gapura.keeper.lending import Lending
from gapura.keeper.recover import recover
from gapura.providers.prices import Prices
from gapura.request.meter import Metering, Question, meter
from gapura.store import budgets, grants, ledger
from gapura.store.accounts import Row, Stated, get, upsert
from gapura.store.base import Connection
from gapura.store.journal import Journal
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.grants import Terms
from gapura.terms.holds import Taken, charges
from gapura.terms.link import VERSION, Ask, GiveBack, Grant, Hello
from gapura.terms.price import Price, Rates
from gapura.terms.record import Context, Ended, Opened, Progress
from gapura.terms.rulebook import Target
from gapura.terms.usage import Usage
from gapura.wire import openai

GLM, QWEN = Target("glm", "glm-4.6"), Target("qwen", "qwen-plus")
CNY = 10**9
TIERS = (Rates(input=2 * CNY, output=8 * CNY),)
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Halo"}], "max_tokens": 60}).encode()
GRANTED = {"gr:tokens": 2_000, "gr:glm": 1_500, "gr:money": 2_000_000}
TOKENS, DAILY = 4_000, 2_500


class Book:
    prices = Prices(
        {}, [Price(provider=one.provider, model=one.model, currency="CNY", tiers=TIERS) for one in (GLM, QWEN)]
    )


class Nobody:
    """No gate answers a recall."""

    count = 2

    async def recall(self, purse: str, incarnations: object) -> None:
        return


class Gate:
    """A gate's purses and journal; `open`: what requests under way have taken, and what was relayed; `paid`: what those
    that have ended here paid."""

    def __init__(self, log: Journal, name: str, lending: Lending, clock: TurnableClock) -> None:
        self.log, self.name, self._lending, self._n = log, name, lending, 0
        self.purses = Purses(self.ask, clock)
        self.open: dict[str, tuple[Metering, tuple[Taken, ...], Usage]] = {}
        self.paid: Counter[str] = Counter()

    async def ask(self, purse: str, want: int, limit: int) -> Grant:
        self._n += 1
        grant = await self._lending.answer(self.name, Ask(self._n, purse, want, limit), Nobody())
        self.purses.add(grant)
        return grant


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        home = Path(self.folder.name)
        self.clock, self.n = TurnableClock(1_000_080 * SECOND), 0
        self.store = Store.open(home / "gapura.db", clock=self.clock)
        self.ingest = Ingest(self.store, home / "journal", self.clock)
        self.lending = Lending(self.store, self.clock, "boot")
        self.account = self.store.write(self._populate).result()
        self.caller = Caller(Key("key_1", self.account.id, "sk"), self.account)
        self.gates: list[Gate] = []
        self.spent: Counter[str] = Counter()

    def _populate(self, db: Connection) -> Account:
        name = upsert(db, None, [Row("t", Stated(external_id="acme", budget=TOKENS))], 1).created[0].id
        ledger.set_budget(db, f"tok:{name}", TOKENS, ref="b", at=1)
        for terms in (
            Terms(id="glm", account=name, amount=1, providers=("glm",), priority=1),
            Terms(id="money", account=name, amount=1, unit="CNY", priority=2),
            Terms(id="tokens", account=name, amount=1, priority=3),
        ):
            grants.create(db, terms, GRANTED[terms.purse], terms.id, 1)
        budgets.put(db, None, budgets.Wanted(account=name, amount=DAILY, window="day", zone="Asia/Shanghai"), 1)
        budgets.put(db, None, budgets.Wanted(account=name, amount=3_000_000, unit="CNY", models=("glm-*",)), 1)
        return get(db, None, name)

    def teardown(self) -> None:
        for gate in list(self.gates):
            self._die(gate)
        self.recover()
        self._all_is_where_it_belongs()
        self.store.close()
        self.folder.cleanup()

    @precondition(lambda self: len(self.gates) < 3)
    @rule()
    def start(self) -> None:
        self.n += 1
        name = f"inc_{self.n:04}"
        log = Journal.open(self.ingest.folder, name, segment_bytes=128 * 1024, clock=self.clock, boot="boot")
        self.gates.append(Gate(log, name, self.lending, self.clock))
        assert asyncio.run(self.lending.join(Hello(VERSION, name, 0, 1)))

    @precondition(lambda self: self.gates)
    @rule(tried=st.lists(st.sampled_from([GLM, QWEN]), min_size=1, max_size=3), data=st.data())
    def open_(self, tried: list[Target], data: st.DataObject) -> None:
        """A request, which is sent to one target after the other."""
        gate = data.draw(st.sampled_from(self.gates))
        self.n += 1
        name = f"req_{self.n:04}"
        question = Question(openai.read(BODY), BODY, "chat", "ID", self.clock(), Book())

        async def metered() -> Metering | None:
            metering = await meter(gate.purses, self.caller, question)
            sent = 0
            for target in tried:
                try:
                    await metering.hold(target)
                except LimitReached:
                    continue
                sent += 1
                context = CONTEXT if sent == 1 else None
                gate.log.append(
                    Opened(name, self.n, sent, target.provider, target.model, metering.amount, metering.purse,
                           context=context, holds=metering.holds)
                )  # fmt: skip
            if not sent:
                metering.undo()
            elif not metering.amount:  # the last one had nobody to pay: the request has failed
                gate.log.append(Ended(name, self.n, "failed", 502, Usage()))
                metering.release(Usage())
            return metering if metering.amount else None

        metering = asyncio.run(metered())
        if metering is not None:
            holds = metering.holds or (Taken(metering.purse, metering.amount),)
            gate.open[name] = metering, holds, Usage()

    @precondition(lambda self: any(gate.open for gate in self.gates))
    @rule(more=st.integers(0, 30), data=st.data())
    def relay(self, more: int, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from([gate for gate in self.gates if gate.open]))
        for name, (metering, holds, usage) in gate.open.items():
            gate.open[name] = metering, holds, Usage(20, usage.output + more, estimated=True)
        streams = tuple((name, usage.input, usage.output) for name, (_, _, usage) in gate.open.items())
        gate.log.append(Progress(self.n, streams))

    @precondition(lambda self: any(gate.open for gate in self.gates))
    @rule(
        failed=st.booleans(),
        usage=st.builds(Usage, st.integers(0, 900), st.integers(0, 90), st.integers(0, 50), st.integers(0, 50)),
        data=st.data(),
    )
    def end(self, failed: bool, usage: Usage, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from([gate for gate in self.gates if gate.open]))
        name = data.draw(st.sampled_from(sorted(gate.open)))
        metering, holds, _ = gate.open.pop(name)
        usage = Usage() if failed else usage
        gate.log.append(Ended(name, self.n, "failed" if failed else "complete", 200, usage))
        metering.release(usage)
        self._pay(gate, holds, usage)

    @precondition(lambda self: self.gates)
    @rule(data=st.data())
    def recall(self, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from(self.gates))
        for back in gate.purses.recall_all():
            asyncio.run(self.lending.give_back(gate.name, GiveBack(back.purse, back.amount, back.until)))

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.clock.turn(seconds=hours * 3600)
        for gate in self.gates:
            gate.purses.held()

    @precondition(lambda self: self.gates)
    @rule(data=st.data())
    def comes_again(self, data: st.DataObject) -> None:
        """The connection broke; all that was lent had arrived."""
        asyncio.run(self.ingest.step())
        gate = data.draw(st.sampled_from(self.gates))
        assert asyncio.run(self.lending.join(Hello(VERSION, gate.name, 0, 1, lent=gate.purses.lent())))

    @rule()
    def take_in(self) -> None:
        asyncio.run(self.ingest.step())

    @precondition(lambda self: self.gates)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        self._die(data.draw(st.sampled_from(self.gates)))
        self.recover()

    def recover(self) -> None:
        asyncio.run(recover(self.store, self.ingest, self.clock, "boot"))

    def _die(self, gate: Gate) -> None:
        self.gates.remove(gate)
        gate.log.close()
        for _, holds, usage in gate.open.values():
            self._pay(gate, holds, usage if usage.output else Usage())

    def _pay(self, gate: Gate, holds: tuple[Taken, ...], usage: Usage) -> None:
        for purse, spent in charges(holds, usage).items():
            gate.paid[purse] += sum(spent.values())
            self.spent[purse] += sum(spent.values())

    @invariant()
    def adds_up(self) -> None:
        assert self.store.read(ledger.verify) == []
        for purse, granted in (GRANTED | {f"tok:{self.account.id}": TOKENS}).items():
            now = self.store.read(lambda db, purse=purse: ledger.standing(db, purse))  # type: ignore[misc]  # of the loop's turn
            assert now.granted == granted and now.spent <= granted and self.spent[purse] <= granted

    @invariant()
    def each_gate_knows_what_it_has(self) -> None:
        for gate in self.gates:
            held = Counter(gate.purses.held())
            for _, holds, _ in gate.open.values():
                held.update({one.purse: one.amount for one in holds})
            for purse, lent in gate.purses.lent().items():
                assert held[purse] + gate.paid[purse] == lent

    def _all_is_where_it_belongs(self) -> None:
        """With no gate alive."""
        rows = self.store.read(lambda db: db.execute("SELECT DISTINCT purse FROM ledger_account").fetchall())
        purses = {str(purse) for (purse,) in rows if purse}
        assert self.spent.keys() <= purses
        for purse in purses:
            now = self.store.read(lambda db, purse=purse: ledger.standing(db, purse))  # type: ignore[misc]  # as above
            assert (now.spent, now.lent, now.unreconciled) == (self.spent[purse], 0, 0)
            assert now.left + now.spent == now.granted
            if purse.startswith("bud:") and not purse.endswith(":0"):
                assert now.granted == DAILY


CONTEXT = Context("acc_1", "key_1", "o", "m", True, False, "", "", "", "", "", "", "", "v", "allow", (), ())

TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
