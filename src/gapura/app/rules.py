"""Settings and the operator's documents → the rulebook in force, and the ways to the providers that it names."""

from gapura.providers import PROVIDERS, catalogue
from gapura.providers.transport import upstream
from gapura.request.relay import Way
from gapura.rulebook.endpoints import endpoints
from gapura.rulebook.read import read
from gapura.settings import Settings
from gapura.terms.rulebook import Rulebook

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
    )
    return read(
        settings.documents,
        endpoints=reached,
        models={name: tuple(vendor.models) for name, vendor in catalogue.catalogue().vendors.items()},
        site_territory=settings.site_territory,
        egress_territory=settings.egress_territory,
        sandbox=bool(simulators),
    )


def ways(book: Rulebook, settings: Settings) -> dict[str, Way]:
    """Provider → where it is, and the headers with its key, which goes nowhere else."""
    keys = SANDBOX_KEYS if book.sandbox else settings.provider_keys
    return {
        endpoint.provider: Way(
            upstream(endpoint.base_url), tuple(PROVIDERS[endpoint.provider].headers(keys[endpoint.provider]))
        )
        for endpoint in book.endpoints
    }
