"""A policy document's own tests: who comes from where, and what is to be decided.

They are run wherever the document is checked, proposed or put in force, by the same code that decides live requests.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from gapura.atlas import territories
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument, nearest, table, tables, term, when
from gapura.rulebook.weigh import RANK
from gapura.terms.caller import Account, Status
from gapura.terms.place import Certainty, Located, Network, Origin
from gapura.terms.rulebook import Effect
from gapura.terms.verdict import Verdict

Locate = Callable[[str], Located]

PLACELESS: frozenset[Certainty] = frozenset({"unknown", "absent", "uncertain"})


class Who(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The account of a test.  It need not be in the directory: what is not said is empty."""

    external_id: str = ""
    organisation: str = ""
    status: Status = "active"
    declared_territory: str = ""
    phone_territory: str = ""
    ownership: str = ""
    contract: str = ""


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One test.  The place is an `address`, which is looked up, or a `territory` (with a `subdivision`); it is certain
    unless `certainty` says otherwise.  `model` is a route's name or provider/model, `product` as `openai/chatgpt`;
    without both, every policy of the document is asked, and the strictest counts.  `at` 0: when it is run.
    `expect` is the effect, and `rule`, where given, what has to have decided."""

    expect: Effect
    name: str = ""
    address: str = ""
    territory: str = ""
    subdivision: str = ""
    network: Network = ""
    certainty: Certainty = "certain"
    account: Who = Who()
    model: str = ""
    product: str = ""
    at: int = 0
    rule: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a test.  `path` is where it stands; `verdict` is what was decided, and on what grounds."""

    path: str
    name: str
    passed: bool
    expect: Effect
    at: int
    territory: str
    verdict: Verdict

    def __str__(self) -> str:
        found, test = self.verdict, f"{self.path} {self.name}".rstrip()
        decided = f"{found.effect} by {found.rule or 'no rule'}"
        return f"{test}: {self.expect} was expected, and it is {decided}: {found.because}"


def read(raw: object, path: str = "tests") -> tuple[Trial, ...]:
    """The tests of a document.  Raises BadDocument."""
    return tuple(_trial(one, where) for where, one in tables(raw, path))


def run(rules: Rules, trials: Iterable[Trial], locate: Locate, at: int) -> list[Outcome]:
    """Each test, asked of these rules.  `at`: UTC microseconds, for those that name no instant.

    Raises BadDocument for a product that no policy is for.
    """
    return [_outcome(rules, trial, f"tests[{number}]", locate, trial.at or at) for number, trial in enumerate(trials)]


def _trial(raw: object, path: str) -> Trial:
    fields = table(raw, path, Trial)
    if isinstance(who := fields.get("account", {}), str):
        who = {"external_id": who}
    fields["account"] = msgspec.to_builtins(term(table(who, f"{path}.account", Who), f"{path}.account", Who))
    if "at" in fields:
        fields["at"] = when(fields["at"], f"{path}.at")
    _place(fields, path)
    trial = term(fields, path, Trial)
    if bool(trial.address) + bool(trial.territory) + (trial.certainty in PLACELESS) != 1:
        raise BadDocument(path, "say where: an address, or a territory, or a certainty such as unknown")
    if trial.model and trial.product and "/" in trial.model:
        raise BadDocument(f"{path}.model", "beside a product the model stands alone, without its provider")
    return trial


def _place(fields: dict[str, Any], path: str) -> None:
    """Names to codes; a part names its territory."""
    part = fields.get("subdivision")
    if isinstance(part, str) and part and "territory" not in fields:
        fields["territory"] = part.partition("-")[0]
    if isinstance(name := fields.get("territory"), str):
        try:
            fields["territory"] = territories.resolve(name)
        except ValueError as error:
            raise BadDocument(f"{path}.territory", str(error)) from None


def _outcome(rules: Rules, trial: Trial, path: str, locate: Locate, at: int) -> Outcome:
    origin, account = _origin(trial, locate), _account(trial.account)
    found = _asked(rules, trial, path, origin, account, at)
    passed = found.effect == trial.expect and trial.rule in {"", found.rule}
    return Outcome(path, trial.name, passed, trial.expect, at, origin.territory, found)


def _asked(rules: Rules, trial: Trial, path: str, origin: Origin, account: Account, at: int) -> Verdict:
    if trial.product:
        if trial.product not in rules.products:
            problem = f"no policy is for the product {trial.product!r}{nearest(trial.product, rules.products)}"
            raise BadDocument(f"{path}.product", problem)
        return rules.judge_product(trial.product, origin, account, at, model=trial.model)
    if not trial.model:
        return strictest([rules.judge_product(product, origin, account, at) for product in sorted(rules.products)])
    route = rules.route(trial.model)
    targets = [(target.provider, target.model) for target in route.targets] if route else []
    if not targets and "/" in trial.model:  # of a provider that is not set up here
        provider, _, model = trial.model.partition("/")
        targets = [(provider, model)]
    if not targets:
        return Verdict(trial.model, "block", "", "", f"no route is called {trial.model}")
    return foremost([rules.judge(provider, model, origin, account, at) for provider, model in targets])


def strictest(verdicts: list[Verdict]) -> Verdict:
    """What all policies together come to."""
    nothing = Verdict("", "allow", "", "", "no policy guards anything")
    return max(verdicts, key=lambda verdict: RANK[verdict.effect], default=nothing)


def foremost(verdicts: list[Verdict]) -> Verdict:
    """Of a route's targets the one that would be asked first: the first that certainly may serve, else the first that
    may; where none may, the first."""
    may = [verdict for verdict in verdicts if verdict.effect != "block"]
    return next((verdict for verdict in may if verdict.certain), (may or verdicts)[0])


def _origin(trial: Trial, locate: Locate) -> Origin:
    if not trial.address:
        return Origin(
            trial.territory,
            trial.certainty,
            "asserted-territory",
            subdivision=trial.subdivision,
            network=trial.network,
        )
    found = locate(trial.address)
    return Origin(
        found.territory,
        found.certainty,
        "asserted-address",
        trial.address,
        answers=found.answers,
        subdivision=trial.subdivision or found.subdivision,
        network=trial.network or found.network,
        confidence=found.confidence,
    )


def _account(who: Who) -> Account:
    return Account("", **msgspec.structs.asdict(who))
