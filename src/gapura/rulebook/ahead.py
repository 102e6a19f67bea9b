"""What comes next: the instants, written down already, from which on an answer will be another one."""

from collections.abc import Callable, Iterator

import msgspec

from gapura.rulebook.compile import Rules
from gapura.terms.caller import Account
from gapura.terms.verdict import Verdict


class Ahead(msgspec.Struct, frozen=True):
    """From `at` on the verdict is this one.  `zone` is the one in which the instant was set."""

    at: int
    zone: str
    verdict: Verdict


def ahead(rules: Rules, judge: Callable[[int], Verdict], account: Account, at: int) -> Iterator[Ahead]:
    """Every later change of the effect, by date.  `judge` gives the verdict on this account at an instant (UTC
    microseconds); what an expression makes of the time is not foreseen."""
    effect = judge(at).effect
    for later in rules.instants_after(account, at):
        verdict = judge(later)
        if verdict.effect != effect:
            effect = verdict.effect
            yield Ahead(later, _zone(rules, later), verdict)


def _zone(rules: Rules, instant: int) -> str:
    phases = (phase for policy in rules.book.policies for phase in policy.phases)
    return next((phase.zone for phase in phases if phase.starts == instant), "UTC")
