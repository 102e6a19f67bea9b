"""A verdict told in full: what each policy said, every rule passed over and why, and what changes next."""

from bisect import bisect_right

import msgspec

from gapura.rulebook.compile import Rules
from gapura.rulebook.opinions import Opinion
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.verdict import Verdict


class Ahead(msgspec.Struct, frozen=True):
    """The next instant at which the answer will be another one.  `zone` is the one in which it was set."""

    at: int
    zone: str
    verdict: Verdict


class Explanation(msgspec.Struct, frozen=True):
    """`at` is the instant that was asked about; `account` the external id."""

    version: str
    at: int
    account: str
    origin: Origin
    egress: str
    verdict: Verdict
    opinions: tuple[Opinion, ...]
    ahead: Ahead | None


def explain(rules: Rules, provider: str, model: str, origin: Origin, account: Account, at: int) -> Explanation:
    """Why this target may or may not serve this origin.  The same code that decides live requests."""
    now = rules.judge(provider, model, origin, account, at)
    later = rules.turning_points[bisect_right(rules.turning_points, at) :]
    changes = ((instant, rules.judge(provider, model, origin, account, instant)) for instant in later)
    ahead = next(
        (Ahead(instant, _zone(rules, instant), then) for instant, then in changes if then.effect != now.effect), None
    )
    return Explanation(
        version=rules.book.version,
        at=at,
        account=account.external_id,
        origin=origin,
        egress=rules.book.egress_territory,
        verdict=now,
        opinions=tuple(rules.opinions(provider, model, origin, account, at)),
        ahead=ahead,
    )


def _zone(rules: Rules, instant: int) -> str:
    phases = (phase for policy in rules.book.policies for phase in policy.phases)
    return next((phase.zone for phase in phases if phase.starts == instant), "UTC")
