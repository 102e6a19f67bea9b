"""What a person should look at in a rulebook that is sound: said at the start, by `policy check` and by `doctor`."""

from collections.abc import Iterator, Sequence

from gapura.atlas.territories import CODES, sovereigns
from gapura.providers.endings import ending
from gapura.rulebook.egress import Locate, nowhere, place
from gapura.rulebook.opinions import guarding, product_of
from gapura.rulebook.weigh import covers
from gapura.terms.rulebook import Endpoint, Policy, Rulebook


def problems(book: Rulebook, at: int, locate: Locate | None = None) -> list[str]:
    """Sentences, none where all is well.  `at`: UTC microseconds.  Without `locate` addresses that this gateway calls
    from are not looked at."""
    return [*_routes(book), *_endings(book, at), *_endpoints(book), *_policies(book, at, locate)]


def _routes(book: Rulebook) -> Iterator[str]:
    reached = {endpoint.provider for endpoint in book.endpoints}
    for route in book.routes.values():
        missing = [str(target) for target in route.targets if target.provider not in reached]
        if len(missing) == len(route.targets):
            yield f"route {route.model} cannot be served: no key is set for any of {', '.join(missing)}"
        elif missing:
            yield f"route {route.model} passes over {', '.join(missing)}: no key is set for them"


def _endings(book: Rulebook, at: int) -> Iterator[str]:
    """Of the routes that somebody wrote; a model's own name tells its callers itself."""
    for route in book.routes.values():
        for target in route.targets if [target.model for target in route.targets] != [route.model] else ():
            soon = ending(target.provider, target.model)
            if soon is not None and at >= soon.since:
                instead = f"; its counterpart is {soon.counterpart}" if soon.counterpart else ""
                yield f"route {route.model} leads to {target}, which its vendor ends on {soon.day}{instead}"


def _endpoints(book: Rulebook) -> Iterator[str]:
    for endpoint in book.endpoints:
        if not endpoint.processing_territory:
            yield (
                f"where {endpoint.provider} processes is not known, so it is used neither for data that may not go "
                "everywhere nor after a failure elsewhere; set processing_territory in "
                f"[providers.{endpoint.provider}]"
            )


def _policies(book: Rulebook, at: int, locate: Locate | None) -> Iterator[str]:
    guarded = {endpoint.provider: guarding(book, endpoint.provider) for endpoint in book.endpoints}
    names = [provider for provider, policies in guarded.items() if policies]
    for policy in book.policies:
        if product_of(policy) == "api" and not any(policy in policies for policies in guarded.values()):
            yield f"policy {policy.name} guards none of the providers that are set up"
        yield from _follows(policy)
    if names and not book.site_territory:
        yield (
            f"callers with a private or no address are refused by {', '.join(names)}: "
            "GAPURA_SITE_TERRITORY does not say where they are"
        )
    for endpoint in book.endpoints:
        yield from _egress(book, endpoint, guarded[endpoint.provider], at, locate)
    if names and not any(endpoint.egress for endpoint in book.endpoints) and not book.egress_territory:
        yield (
            "neither GAPURA_EGRESS_ADDRESSES nor GAPURA_EGRESS_TERRITORY says where this gateway calls from, so that "
            "is not judged"
        )


def _egress(
    book: Rulebook, endpoint: Endpoint, policies: Sequence[Policy], at: int, locate: Locate | None
) -> Iterator[str]:
    stated = endpoint.egress or tuple(filter(None, (book.egress_territory,)))
    for egress in stated if policies else ():
        if locate is None and egress not in CODES:
            continue
        territory, _ = place(egress, locate or nowhere)
        if not territory:
            yield (
                f"{egress}, from where {endpoint.provider} is called, has no certain place, so it is not judged; "
                "`gapura atlas correct` places it"
            )
        for policy in policies:
            if territory and not covers(policy, territory, at):
                yield (
                    f"nothing is ever sent to {endpoint.provider}: {policy.pack.name} does not cover {territory}, from "
                    f"where this gateway calls{'' if egress == territory else f' ({egress})'}"
                )


def _follows(policy: Policy) -> Iterator[str]:
    if policy.territories == "with_sovereign":
        told = ", ".join(f"{territory} ({sovereign})" for territory, sovereign in policy.follows.items())
        yield (
            f"policy {policy.name} lets territories follow their sovereigns, as of {sovereigns().as_of}: "
            f"{told or 'none that makes a difference'}"
        )
