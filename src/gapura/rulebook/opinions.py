"""What the policies that guard a target say of it, each for itself, and the strictest of them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from gapura.providers.kinds import known_as
from gapura.rulebook.conditions import for_model
from gapura.rulebook.facts import Facts
from gapura.rulebook.shelf import Shelf
from gapura.rulebook.weigh import RANK, Ruling, weigh
from gapura.terms.caller import Status
from gapura.terms.rulebook import Effect, Policy, Rulebook
from gapura.terms.verdict import Verdict


class Opinion(msgspec.Struct, frozen=True):
    """What one policy says of a target.  `pack`, `as_of` and `source` are "" where it is the account's own state."""

    policy: str
    pack: str
    as_of: str
    source: str
    ruling: Ruling


STATES: Mapping[Status, tuple[Effect, str]] = {
    "warned": ("warn", "the account has been warned"),
    "suspended": ("block", "the account is suspended"),
}


class Guard(NamedTuple):
    policy: Policy
    shelf: Shelf


def opinions(guards: Iterable[Guard], facts: Facts, *, told: bool) -> list[Opinion]:
    """`told`: with everything that was passed over; otherwise only what may apply is looked at."""
    found = [
        Opinion(
            policy.name,
            policy.pack.name,
            policy.pack.as_of,
            policy.pack.source,
            weigh(policy, facts, None if told else shelf),
        )
        for policy, shelf in guards
        if for_model(policy.models, facts)
    ]
    if state := STATES.get(facts.account.status):
        found.append(Opinion("", "", "", "", Ruling(state[0], "account", state[1])))
    return found


def verdict(target: str, opinions: list[Opinion]) -> Verdict:
    """The strictest of them; among equals, one that is certain to block or uncertain to serve."""
    if not opinions:
        return Verdict(target, "allow", "", "", "no policy guards this provider")

    def weight(opinion: Opinion) -> tuple[int, bool]:
        ruling = opinion.ruling
        return RANK[ruling.effect], ruling.certain == (ruling.effect == "block")

    first = max(opinions, key=weight)
    blocks = first.ruling.effect == "block"
    certain = first.ruling.certain if blocks else all(opinion.ruling.certain for opinion in opinions)
    return Verdict(target, first.ruling.effect, first.policy, first.ruling.rule, first.ruling.because, certain)


def product_name(policy: Policy) -> str:
    """What the policy guards, as front ends name it: `openai/chatgpt`."""
    return policy.product or policy.pack.name


def product_of(policy: Policy) -> str:
    """What of a provider's the policy guards: `api` is what this gateway calls."""
    return policy.product.rpartition("/")[2] or policy.pack.product


def guarding(book: Rulebook, provider: str, product: str = "api") -> tuple[Policy, ...]:
    """The policies that guard this product of the provider where it is reached."""
    endpoint = next((endpoint for endpoint in book.endpoints if endpoint.provider == provider), None)
    host = (urlsplit(endpoint.base_url).hostname or "") if endpoint else ""
    names = known_as(provider, endpoint.kind if endpoint else "", host)
    return tuple(
        policy
        for policy in book.policies
        if not names.isdisjoint(policy.pack.guards)
        and product_of(policy) == product
        and (not policy.pack.hosts or host in policy.pack.hosts)
    )
