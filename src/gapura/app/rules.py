"""Settings and the operator's documents → the rulebook in force, and the ways to the providers that it names."""

from collections.abc import Callable

import msgspec

from gapura import clock
from gapura.providers.kinds import provider
from gapura.providers.transport import upstream
from gapura.request.relay import Way
from gapura.rulebook import papers, stand_ins
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.endpoints import endpoints, stated_models
from gapura.rulebook.papers import Paper
from gapura.rulebook.read import read
from gapura.settings import Settings
from gapura.store.base import StoreFailed
from gapura.store.rulebooks import Document
from gapura.terms.rulebook import Endpoint, Rulebook

# The simulators take any key in the vendor's own form; Zhipu's is `id.secret`.
SANDBOX_KEYS = {
    "openai": "sk-sandbox",
    "qwen": "sk-sandbox",
    "ernie": "bce-v3/ALTAK-sandbox/0",
    "glm": "sandbox.sandbox",
}


def rulebook(settings: Settings, simulators: dict[str, str]) -> Rulebook:
    """`simulators`: provider → base URL, where the sandbox runs; else {}.  Raises BadDocument."""
    reached = endpoints(
        settings.documents,
        configured=set(simulators) or set(settings.provider_keys),
        base_urls=simulators or settings.base_urls,
        egress=tuple(filter(None, (settings.egress_territory, *settings.egress_addresses))),
    )
    return read(
        settings.documents,
        endpoints=reached,
        models=_models(settings, reached),
        site_territory=settings.site_territory,
        egress_territory=settings.egress_territory,
        sandbox=bool(simulators),
    )


def _models(settings: Settings, reached: tuple[Endpoint, ...]) -> dict[str, tuple[str, ...]]:
    """Provider → its models: those of the catalogue, also under a name of the operator's, and those that its table
    names."""
    today = clock.text(clock.system_clock())[:10]
    known = stand_ins.living(settings.documents.get("models", {}), reached, today)
    of_kind = {one.provider: known.get(one.kind or one.provider, ()) for one in reached}
    stated = stated_models(settings.documents)
    # One whose key is missing may stand in a route: its targets are passed over.
    return (
        stated
        | known
        | {name: tuple(dict.fromkeys((*stated.get(name, ()), *models))) for name, models in of_kind.items()}
    )


def in_force(
    settings: Settings, simulators: dict[str, str], active: Callable[[], Document | None]
) -> tuple[Rulebook, Paper]:
    """With gapura.toml's own policies, where it has any; else with those of the store's `active` version; else every
    list that guards a provider is applied.

    Raises BadDocument, and StoreFailed where the active version is damaged or cannot be read any more: it is not passed
    over, since what would hold in its place may be laxer.
    """
    stored = None if papers.decides(settings.documents) else active()
    if stored is None:
        return rulebook(settings, simulators), papers.part(settings.documents)
    try:
        paper = papers.read(*stored.content)
        return with_policies(settings, simulators, paper), paper
    except BadDocument as error:
        if not error.path.startswith((*papers.TABLES, "document", "line")):
            raise
        raise StoreFailed(
            f"policy version {stored.version}, which is in force, cannot be read: {error}; put another one in force "
            "(gapura policy activate), or write [[policies]] into gapura.toml, which then decides"
        ) from error


def with_policies(settings: Settings, simulators: dict[str, str], paper: Paper) -> Rulebook:
    """With the policies of this document, whatever else decides.  Raises BadDocument."""
    return rulebook(msgspec.structs.replace(settings, documents=paper.within(settings.documents)), simulators)


def ways(book: Rulebook, settings: Settings) -> dict[str, Way]:
    """Provider → where it is, and the headers with its key, which goes nowhere else."""
    keys = SANDBOX_KEYS if book.sandbox else settings.provider_keys
    return {endpoint.provider: _way(endpoint, keys[endpoint.provider]) for endpoint in book.endpoints}


def _way(endpoint: Endpoint, key: str) -> Way:
    quirks = msgspec.json.decode(endpoint.quirks) if endpoint.quirks else {}
    speaker = provider(endpoint.provider, endpoint.kind, quirks)
    headers = tuple(speaker.headers(key))
    renewed = (lambda: tuple(speaker.headers(key))) if speaker.expires else None
    return Way(upstream(endpoint.base_url), headers, speaker, key.encode(), renewed)
