"""The optional `when` of a rule: an expression in CEL, https://cel.dev, over `VARIABLES`.

It is compiled when a document is read, so that a slip of the pen is an error there.  What can only fail later (a
division by zero, a wrong type) is `Failed`, and the policy's `on_error` says what becomes of it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from gapura.extras import install
from gapura.rulebook.facts import Facts, owners
from gapura.terms.caller import Account

LONGEST = 2000
"""Characters.  An expression that is longer wants to be several rules."""

ACCOUNT: Mapping[str, Callable[[Account], object]] = {
    "id": lambda account: account.id,
    "external_id": lambda account: account.external_id,
    "organisation": lambda account: account.organisation,
    "status": lambda account: account.status,
    "declared_territory": lambda account: account.declared_territory,
    "phone_territory": lambda account: account.phone_territory,
    "ownership": lambda account: list(owners(account.ownership)),
    "contract": lambda account: account.contract,
}

VARIABLES: Mapping[str, Callable[[Facts], object]] = {
    "territory": lambda facts: facts.territory,
    "subdivision": lambda facts: facts.subdivision,
    "certainty": lambda facts: facts.certainty,
    "network": lambda facts: facts.network,
    "provider": lambda facts: facts.provider,
    "product": lambda facts: facts.product,
    "model": lambda facts: facts.model,
    "account": lambda facts: {field: of(facts.account) for field, of in ACCOUNT.items()},
    "at": lambda facts: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=facts.at),
}
"""`at` is a timestamp in UTC; `account.ownership` a list of codes; everything else is text."""

_FUNCTIONS = frozenset(
    {"size", "contains", "startsWith", "endsWith", "matches", "string", "int", "uint", "double", "bytes", "type", "dyn"}
    | {"timestamp", "duration", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"}
    | {"getHours", "getMinutes", "getSeconds", "getMilliseconds"}
)
_TEXTS = re.compile(
    r"""[rR]?(?:\"{3}.*?\"{3}|'{3}.*?'{3})|[rR]"[^"]*"|[rR]'[^']*'|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL
)
_ACCOUNT = re.compile(r"(?<![\w.])account\b(?:\s*\.\s*(\w+))?")
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*(\w+)\s*,")


class BadExpression(ValueError):
    """It cannot be compiled, or asks for what there is not."""


class Failed(Exception):
    """It could not be evaluated, or gave no truth value."""


class Expression:
    """`variables` are what it looks at, `fields` those of the account; `fleeting`: it looks at the time, so that what
    it says may change at any instant."""

    def __init__(self, source: str) -> None:
        """Raises BadExpression."""
        self.source = source
        self._program = _parsed(source)
        plain = _TEXTS.sub('""', source)
        bound = frozenset(_BOUND.findall(plain))
        if taken := sorted(bound & VARIABLES.keys()):
            raise BadExpression(f"{taken[0]} has a meaning already; give what you go through another name")
        used = [name for name in self._program.variables() if name not in bound]
        _known(used, VARIABLES, "variable")
        _known([name for name in self._program.functions() if name.isidentifier()], _FUNCTIONS, "function")
        self.fields = frozenset(_account_fields(plain)) if "account" in used else frozenset()
        self.variables = frozenset(used)
        self.fleeting = "at" in used
        self._used = tuple((name, VARIABLES[name]) for name in used)

    def holds(self, facts: Facts) -> bool:
        """Raises Failed."""
        try:
            said = self._program.execute({name: of(facts) for name, of in self._used})
        except Exception as error:  # noqa: BLE001 - whatever the evaluator raises, the policy says what becomes of it
            raise Failed(str(error).partition("\n")[0] or type(error).__name__) from None
        if not isinstance(said, bool):
            raise Failed(f"it gives {said!r}, neither true nor false")
        return said


@lru_cache(4096)
def compiled(source: str) -> Expression:
    """Raises BadExpression."""
    return Expression(source)


def _parsed(source: str) -> Any:
    try:
        import cel  # noqa: PLC0415 - an extra
    except ImportError:
        raise BadExpression(f"expressions need the extra cel on every machine with gates: {install('cel')}") from None
    if len(source) > LONGEST:
        raise BadExpression(f"an expression has at most {LONGEST} characters; make several rules of it")
    try:
        return cel.compile(source)
    except ValueError as error:
        raise BadExpression(_syntax(str(error))) from None


def _syntax(told: str) -> str:
    """`line 1, column 13: …` from the first error of the parser."""
    if "Recursion limit" in told:
        return "it is nested too deeply"
    found = re.search(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n|]*)", told)
    return f"line {found[1]}, column {found[2]}: {found[3]}" if found else "it is no CEL"


def _known(names: list[str], there_are: Mapping[str, object] | frozenset[str], what: str) -> None:
    for name in names:
        if name not in there_are:
            near = get_close_matches(name, there_are, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(there_are))}"
            raise BadExpression(f"there is no {what} {name!r}; {hint}")


def _account_fields(plain: str) -> list[str]:
    """Raises BadExpression where a field is not there, or is not named at all."""
    fields = _ACCOUNT.findall(plain)
    if "" in fields:
        raise BadExpression("name a field of the account, as account.contract")
    _known(fields, ACCOUNT, "field of account")
    return fields
