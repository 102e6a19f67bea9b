"""Distinct combinations of place, standing and model → verdicts, by the rules that judge live traffic."""

from collections.abc import Hashable, Mapping
from typing import Any, Protocol

import msgspec

from gapura.logs.engine import Engine
from gapura.logs.places import SLICE, Origins
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.rulebook import STRICTNESS, Effect
from gapura.terms.verdict import Verdict

RANK: dict[Effect, int] = {effect: rank for rank, effect in enumerate(STRICTNESS)}
NOBODY = Account("", "", "")


class Judge(Protocol):
    """A rulebook, asked about one product as of one instant.  Accounts of the same `standing` get the same verdicts."""

    def standing(self, account: Account) -> Hashable: ...

    def judge(self, origin: Origin, account: Account, model: str) -> Verdict: ...


class Combination(msgspec.Struct, frozen=True):
    """What was asked once for many.  `before`: of the policy in force; `older`: of the next policy over the older
    place data; `bare`: of the next policy, were the account nobody in particular."""

    origin: Origin
    verdict: Verdict
    before: Effect
    older: Effect
    bare: Effect

    @property
    def territory(self) -> str:
        return self.origin.territory if self.origin.certainty == "certain" else self.origin.certainty


def judge(
    engine: Engine, origins: Origins, following: Judge, against: Judge | None, directory: Mapping[str, Account],
    hit: Effect,
) -> list[Combination]:  # fmt: skip
    """Makes `events` and the view `judged` over it; gives what the column `combination` counts."""
    classes = _classes(engine, [following, *([against] if against else [])], directory)
    engine.run("""
        CREATE TABLE events AS
        SELECT l.id AS address, l.place, l.older, a.id AS account, a.class, s.key, s.model, s.day, s.requests,
               s.tokens, s.first, s.last
        FROM seen s JOIN addresses l ON s.address = l.address JOIN accounts a ON s.account = a.account""")
    engine.run("DROP VIEW seen")
    engine.run("DROP TABLE raw")
    asked = engine.rows("SELECT DISTINCT place, older, class, model FROM events ORDER BY ALL")
    found: list[Combination] = []
    for place, older, number, model in asked:
        origin, account = origins.known[place], classes[number]
        verdict = following.judge(origin, account, model)
        nobody = msgspec.structs.replace(account, id="", external_id="")
        found.append(
            Combination(
                origin,
                verdict,
                against.judge(origin, account, model).effect if against else "allow",
                following.judge(origins.known[older], account, model).effect if older != place else verdict.effect,
                following.judge(origin, nobody, model).effect,
            )
        )
    _put(engine, asked, found, hit)
    engine.run(
        "CREATE VIEW judged AS SELECT e.*, c.combination, c.territory, c.certain, c.network, c.effect, c.before,"
        " c.former, c.hit, c.policy, c.rule FROM events e JOIN combinations c USING (place, older, class, model)"
    )
    return found


def _classes(engine: Engine, judges: list[Judge], directory: Mapping[str, Account]) -> list[Account]:
    """Makes `accounts`: id, account, class; gives one account of each class.  "" is nobody, and has the id 0."""
    engine.run(
        "CREATE TABLE names AS SELECT if(account = '', 0, row_number() OVER ())::INTEGER AS id, account"
        " FROM (SELECT DISTINCT account FROM seen)"
    )
    engine.run("CREATE TABLE classed (id INTEGER, class INTEGER)")
    numbers: dict[Hashable, int] = {}
    known: list[Account] = []
    last = engine.row("SELECT coalesce(max(id), 0) FROM names")[0]
    for start in range(0, last + 1, SLICE):
        part = engine.columns(f"SELECT id, account FROM names WHERE id >= {start} AND id < {start + SLICE}")
        given = []
        for name in part["account"].tolist():
            account = directory.get(name) or (Account(name, name, "") if name else NOBODY)
            standing = tuple(one.standing(account) for one in judges)
            number = numbers.setdefault(standing, len(known))
            if number == len(known):
                known.append(account)
            given.append(number)
        engine.put("part", "INSERT INTO classed SELECT id, class FROM part", {"id": part["id"], "class": _array(given)})
    engine.run("CREATE TABLE accounts AS SELECT * FROM names JOIN classed USING (id)")
    return known


def _put(engine: Engine, asked: list[tuple[Any, ...]], found: list[Combination], hit: Effect) -> None:
    import numpy as np  # noqa: PLC0415 - of the extra, see `engine`

    columns: dict[str, Any] = {
        name: _array([key[n] for key in asked]) for n, name in enumerate(("place", "older", "class"))
    }
    columns["combination"] = _array(list(range(len(found))))
    columns["effect"] = _array([RANK[one.verdict.effect] for one in found])
    columns["before"] = _array([RANK[one.before] for one in found])
    columns["former"] = _array([RANK[one.older] for one in found])
    columns["bare"] = _array([RANK[one.bare] for one in found])
    columns["certain"] = _array([one.origin.certainty == "certain" for one in found])
    for name, told in (
        ("model", [key[3] for key in asked]),
        ("territory", [one.territory for one in found]),
        ("policy", [one.verdict.policy for one in found]),
        ("rule", [one.verdict.rule for one in found]),
        ("network", [one.origin.network for one in found]),
    ):
        columns[name] = np.array(told, np.object_)
    names = ", ".join(name for name in columns if name != "certain")
    engine.put(
        "part",
        f"CREATE TABLE combinations AS SELECT {names}, certain = 1 AS certain, effect >= {RANK[hit]} AS hit FROM part",
        columns,
    )


def _array(numbers: list[int]) -> Any:
    import numpy as np  # noqa: PLC0415 - of the extra, see `engine`

    return np.array(numbers, np.int32)
