"""Everything that can happen to a grant, in any order, as a model would have it: a dict of numbers.

The steps are plain methods, so that Hypothesis can draw them, and a seed can replay the same ones on another engine.
Each is also tried with a crash at every statement: what was not committed must leave nothing behind.
"""

import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.store.ledger.conftest import SECRET, begun

from gapura.store import grants, ledger
from gapura.store.base import Conflict
from gapura.store.ledger import Books, chain, holds
from gapura.terms.grants import Terms

FUNDED = 1000
GATES = ("inc_1", "inc_2")


class Crashed(Exception):
    """The process died before this statement."""


class Crashing:
    """Books that end at the n-th statement."""

    def __init__(self, db: Books, left: int) -> None:
        self._db, self.left = db, left

    def execute(self, statements: str, bindings: tuple[Any, ...] = (), /) -> Any:
        if self.left == 0:
            raise Crashed
        self.left -= 1
        return self._db.execute(statements, bindings)

    def executemany(self, statements: str, rows: Sequence[tuple[Any, ...]], /) -> None:
        for row in rows:
            self.execute(statements, row)


class Model:
    """`grants`: what of each was granted, and whether it goes on.  `holds`: amount, state and captured of each."""

    def __init__(self, db: Books) -> None:
        self.db, self.n, self.at = begun(db), 0, 1_000
        self.grants: dict[str, dict[str, Any]] = {}
        self.holds: dict[str, dict[str, Any]] = {}
        self.with_gates: dict[tuple[str, str], int] = {}
        self.last: Callable[[Books], Any] = lambda _: None
        grants.fund(db, "p", "tokens", FUNDED, ref="fund", at=1)
        ledger.open_account(db, "sink", unit="tokens")

    def number(self) -> int:
        self.n += 1
        return self.n

    def do(self, work: Callable[[Books], Any], *, crash: int | None = None) -> Any:
        """Once with a crash before it, where one is wanted: then nothing of it is there, and it is done anew."""
        if crash is not None:
            before = self.state()
            self.db.execute("SAVEPOINT dying")
            with contextlib.suppress(Crashed, Conflict):
                work(Crashing(self.db, crash))
            self.db.execute("ROLLBACK TO SAVEPOINT dying")
            assert self.state() == before
        self.last = work
        self.db.execute("SAVEPOINT doing")
        try:
            return work(self.db)
        except Conflict:
            self.db.execute("ROLLBACK TO SAVEPOINT doing")
            return None
        finally:
            self.db.execute("RELEASE SAVEPOINT doing")

    def state(self) -> list[tuple[Any, ...]]:
        """What of the ledger tells something: by name, since numbers may differ."""
        rows = self.db.execute("SELECT name, balance FROM ledger_account WHERE balance <> 0 ORDER BY name").fetchall()
        rows += self.db.execute("SELECT id, state, captured FROM ledger_hold ORDER BY id").fetchall()
        rows += self.db.execute("SELECT ref, amount, kind FROM transfer ORDER BY ref").fetchall()
        return [tuple(row) for row in rows]

    # What can happen.

    def grant(self, amount: int, crash: int | None) -> None:
        name, at = f"g{self.number()}", self.at
        terms = Terms(id=name, account="acc_1", amount=0, programme="p", expires=at + 50)
        if self.do(lambda db: grants.create(db, terms, amount, f"create:{name}", at), crash=crash):
            self.grants[name] = {"granted": amount, "goes_on": True, "ends": at + 50, "spent": 0}

    def top_up(self, grant: str, amount: int, crash: int | None) -> None:
        ref, at = f"top:{self.number()}", self.at
        if self.do(lambda db: grants.top_up(db, grant, amount, ref, at), crash=crash):
            self.grants[grant]["granted"] += amount

    def hold(self, grant: str, amount: int, lasts: int, crash: int | None) -> None:
        name, at = f"h{self.number()}", self.at
        expires = at + lasts
        made = self.do(lambda db: holds.hold(db, name, f"left:gr:{grant}", amount, expires=expires, at=at), crash=crash)
        if made:
            self.holds[name] = {"grant": grant, "amount": amount, "ends": expires, "state": "pending", "captured": 0}

    def capture(self, hold: str, share: int, crash: int | None) -> None:
        one, at = self.holds[hold], self.at
        amount = one["amount"] * share // 100
        made = self.do(lambda db: holds.capture(db, hold, "sink", amount, at=at), crash=crash)
        if one["state"] == "pending":
            late = one["ends"] <= max(at, ledger.mark(self.db, "clock"))
            one |= {"state": "expired"} if late else {"state": "captured", "captured": amount}
            assert made.state == one["state"]

    def void(self, hold: str, crash: int | None) -> None:
        one, at = self.holds[hold], self.at
        self.do(lambda db: holds.void(db, hold, at=at), crash=crash)
        if one["state"] == "pending":
            late = one["ends"] <= max(at, ledger.mark(self.db, "clock"))
            one["state"] = "expired" if late else "voided"

    def lend(self, grant: str, gate: str, amount: int, crash: int | None) -> None:
        ref, at = f"lend:{self.number()}", self.at
        got = self.do(lambda db: ledger.lend(db, gate, f"gr:{grant}", lambda _: amount, ref=ref, at=at), crash=crash)
        self.with_gates[gate, grant] = self.with_gates.get((gate, grant), 0) + got

    def spend(self, grant: str, gate: str, share: int, crash: int | None) -> None:
        ref, at, has = f"spend:{self.number()}", self.at, self.with_gates.get((gate, grant), 0)
        used = has * share // 100
        amounts = {"input": used // 2, "output": used - used // 2}
        over = self.do(lambda db: ledger.spend(db, gate, f"gr:{grant}", amounts, ref=ref, at=at), crash=crash)
        assert over == 0
        self.with_gates[gate, grant] = has - used
        self.grants[grant]["spent"] += used

    def give_back(self, grant: str, gate: str, share: int, crash: int | None) -> None:
        ref, at, has = f"back:{self.number()}", self.at, self.with_gates.get((gate, grant), 0)
        amount = has * share // 100
        self.do(lambda db: ledger.give_back(db, gate, f"gr:{grant}", amount, ref=ref, at=at), crash=crash)
        self.with_gates[gate, grant] = has - amount

    def end(self, grant: str, how: str, crash: int | None) -> None:
        ref, at = f"end:{self.number()}", self.at
        work = {"void": grants.void, "claw_back": grants.claw_back}[how]
        if self.do(lambda db: work(db, grant, ref, at), crash=crash):
            self.grants[grant]["goes_on"] = False

    def time_passes(self, ticks: int, crash: int | None) -> None:
        """Back, too: then nothing is due that was not, and nothing lives again."""
        self.at += ticks
        at = self.at
        self.do(lambda db: (holds.time_out(db, at), grants.due(db, at), chain.seal(db, SECRET)), crash=crash)
        now = max(at, ledger.mark(self.db, "clock"))
        for one in self.holds.values():
            if one["state"] == "pending" and one["ends"] <= now:
                one["state"] = "expired"
        for grant in self.grants.values():
            grant["goes_on"] = grant["goes_on"] and grant["ends"] > at

    def replay(self) -> None:
        before = self.state()
        self.do(self.last)
        assert self.state() == before

    def check(self) -> None:
        """What must hold after every step."""
        assert ledger.adds_up(self.db) == []
        wallet = ledger.balance(self.db, grants.wallet("p", "tokens"))
        purses = 0
        for name, one in self.grants.items():
            held = grants.get(self.db, name)
            pending = sum(h["amount"] for h in self.holds.values() if h["grant"] == name and h["state"] == "pending")
            captured = sum(h["captured"] for h in self.holds.values() if h["grant"] == name)
            lent = sum(amount for (_, grant), amount in self.with_gates.items() if grant == name)
            now = held.standing
            assert (now.lent, now.spent) == (pending + lent, one["spent"])
            assert now.lent + now.spent + captured <= held.terms.amount == one["granted"]
            assert now.left == (one["granted"] - now.lent - now.spent - captured if one["goes_on"] else 0)
            assert (held.state in {"active", "exhausted"}) == one["goes_on"]
            purses += now.granted + captured
        assert 0 <= wallet == FUNDED - purses, "the wallet bounds the programme"
        assert ledger.balance(self.db, ledger.operator()) == -FUNDED
        states = {name: (one["state"], one["captured"]) for name, one in self.holds.items()}
        assert {name: (h.state, h.captured) for name in states if (h := holds.get(self.db, name))} == states


def play(model: Model, seed: int, steps: int) -> list[tuple[Any, ...]]:
    """The same steps for the same seed, whatever the engine; the state at the end."""
    dice = random.Random(seed)
    for _ in range(steps):
        crash = dice.choice([None, dice.randrange(14)])
        grant = dice.choice([*model.grants, ""])
        hold, gate = dice.choice([*model.holds, ""]), dice.choice(GATES)
        roll = dice.randrange(10)
        if roll == 0 or not grant:
            model.grant(dice.randint(1, 400), crash)
        elif roll == 1:
            model.top_up(grant, dice.randint(1, 200), crash)
        elif roll == 2:
            model.hold(grant, dice.randint(1, 80), dice.randint(1, 40), crash)
        elif roll in {3, 4} and hold:
            (model.capture(hold, dice.randint(0, 100), crash) if roll == 3 else model.void(hold, crash))
        elif roll == 5:
            model.lend(grant, gate, dice.randint(1, 120), crash)
        elif roll == 6:
            model.spend(grant, gate, dice.randint(0, 100), crash)
        elif roll == 7:
            model.give_back(grant, gate, dice.randint(0, 100), crash)
        elif roll == 8 and dice.random() < 0.3:
            model.end(grant, dice.choice(["void", "claw_back"]), crash)
        else:
            model.time_passes(dice.randint(-5, 12), crash)
        model.check()
        model.replay()
        model.check()
    return model.state()
