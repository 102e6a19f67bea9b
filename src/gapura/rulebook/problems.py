"""What a person should look at in a rulebook that is sound: said at the start, by `policy check` and by `doctor`."""

from collections.abc import Iterator

from gapura.atlas.territories import sovereigns
from gapura.rulebook.conditions import over
from gapura.rulebook.opinions import guarding, product_of
from gapura.rulebook.weigh import covers
from gapura.terms.rulebook import Policy, Rulebook

MENTIONED = 3
"""Accounts by name; of more of them the number says enough."""


def problems(book: Rulebook, at: int) -> list[str]:
    """Sentences, none where all is well.  `at`: UTC microseconds."""
    return [*_routes(book), *_endpoints(book), *_policies(book, at)]


def _routes(book: Rulebook) -> Iterator[str]:
    reached = {endpoint.provider for endpoint in book.endpoints}
    for route in book.routes.values():
        missing = [str(target) for target in route.targets if target.provider not in reached]
        if len(missing) == len(route.targets):
            yield f"route {route.model} cannot be served: no key is set for any of {', '.join(missing)}"
        elif missing:
            yield f"route {route.model} passes over {', '.join(missing)}: no key is set for them"


def _endpoints(book: Rulebook) -> Iterator[str]:
    for endpoint in book.endpoints:
        if not endpoint.processing_territory:
            yield (
                f"where {endpoint.provider} processes is not known, so it is used neither for data that may not go "
                "everywhere nor after a failure elsewhere; set processing_territory in "
                f"[providers.{endpoint.provider}]"
            )


def _policies(book: Rulebook, at: int) -> Iterator[str]:
    guarded = {endpoint.provider: guarding(book, endpoint.provider) for endpoint in book.endpoints}
    names = [provider for provider, policies in guarded.items() if policies]
    for policy in book.policies:
        if product_of(policy) == "api" and not any(policy in policies for policies in guarded.values()):
            yield f"policy {policy.name} guards none of the providers that are set up"
        yield from _follows(policy)
        yield from _exceptions(policy, at)
    if names and not book.site_territory:
        yield (
            f"callers with a private or no address are refused by {', '.join(names)}: "
            "GAPURA_SITE_TERRITORY does not say where they are"
        )
    if names and not book.egress_territory:
        yield "GAPURA_EGRESS_TERRITORY does not say where this gateway calls from, so that is not judged"
    for provider, policies in guarded.items():
        for policy in policies:
            if book.egress_territory and not covers(policy, book.egress_territory, at):
                yield (
                    f"nothing is ever sent to {provider}: {policy.pack.name} does not cover {book.egress_territory}, "
                    "from where this gateway calls (GAPURA_EGRESS_TERRITORY)"
                )


def _follows(policy: Policy) -> Iterator[str]:
    if policy.territories == "with_sovereign":
        told = ", ".join(f"{territory} ({sovereign})" for territory, sovereign in policy.follows.items())
        yield (
            f"policy {policy.name} lets territories follow their sovereigns, as of {sovereigns().as_of}: "
            f"{told or 'none that makes a difference'}"
        )


def _exceptions(policy: Policy, at: int) -> Iterator[str]:
    found = [lifted.account for lifted in policy.exceptions if not over(lifted, at) and not lifted.owner.strip()]
    if found:
        some = ", ".join(found[:MENTIONED]) + ", …" * (len(found) > MENTIONED)
        yield f"{len(found)} of the exceptions to policy {policy.name} name no owner: {some}"
