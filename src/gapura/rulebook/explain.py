"""A verdict told in full: what each policy said, every rule passed over and why, and what changes next."""

from collections.abc import Callable
from itertools import islice

import msgspec

from gapura.rulebook.ahead import Ahead, ahead
from gapura.rulebook.compile import Rules
from gapura.rulebook.opinions import Opinion, product_name
from gapura.rulebook.weigh import Passed
from gapura.terms.caller import Account
from gapura.terms.place import Origin
from gapura.terms.rulebook import Policy
from gapura.terms.verdict import Verdict

MOST_LATER = 50


class Explanation(msgspec.Struct, frozen=True):
    """`at` is the instant that was asked about; `account` the external id.  `passed` are policies that have no say
    about the target, and why.  `later`: every change of the effect that is to come, by date, of which `ahead` is the
    first; nothing is foretold where an expression looks at the time."""

    version: str
    at: int
    account: str
    origin: Origin
    egress: str
    verdict: Verdict
    opinions: tuple[Opinion, ...]
    ahead: Ahead | None
    passed: tuple[Passed, ...] = ()
    later: tuple[Ahead, ...] = ()


def explain(rules: Rules, provider: str, model: str, origin: Origin, account: Account, at: int) -> Explanation:
    """Why this target may or may not serve this origin.  The same code that decides live requests."""

    def verdict(instant: int) -> Verdict:
        return rules.judge(provider, model, origin, account, instant)

    opinions = rules.opinions(provider, model, origin, account, at)
    policies = [policy for policy in rules.book.policies if provider in policy.pack.guards]
    told = _told(rules, (verdict, opinions, policies), origin, account, at)
    return msgspec.structs.replace(told, egress=", ".join(rules.called_from(provider)))


def explain_product(
    rules: Rules, product: str, origin: Origin, account: Account, at: int, model: str = ""
) -> Explanation:
    """Why this product, as `openai/chatgpt`, may or may not be used from this origin."""

    def verdict(instant: int) -> Verdict:
        return rules.judge_product(product, origin, account, instant, model)

    opinions = rules.product_opinions(product, origin, account, at, model)
    policies = [policy for policy in rules.book.policies if product_name(policy) == product]
    return _told(rules, (verdict, opinions, policies), origin, account, at)


Asked = tuple[Callable[[int], Verdict], list[Opinion], list[Policy]]


def _told(rules: Rules, asked: Asked, origin: Origin, account: Account, at: int) -> Explanation:
    verdict, opinions, policies = asked
    heard = {opinion.policy for opinion in opinions}
    later = tuple(islice(ahead(rules, verdict, account, at), MOST_LATER))
    return Explanation(
        version=rules.book.version,
        at=at,
        account=account.external_id,
        origin=origin,
        egress="",
        verdict=verdict(at),
        opinions=tuple(opinions),
        ahead=later[0] if later else None,
        later=later,
        passed=tuple(Passed(policy.name, _silent(policy)) for policy in policies if policy.name not in heard),
    )


def _silent(policy: Policy) -> str:
    if policy.product or policy.pack.product != "api":
        return f"is about {product_name(policy)}"
    if policy.models:
        return f"is about {', '.join(policy.models)} alone"
    return f"is about {', '.join(policy.pack.hosts)}, where this provider is not reached"
