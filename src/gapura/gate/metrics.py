"""A gate's counters: plain numbers in dictionaries, named only when somebody asks."""

from collections import Counter
from collections.abc import Callable, Mapping

from gapura.request.accept import Exchange
from gapura.request.settle import Tally
from gapura.request.shadow import Shadow

SHADOWED = "gapura_shadow_decisions_total"


class Metrics:
    """`tally` counts what providers gave; `gauges` are read when asked for, and so are the series of `more`."""

    def __init__(
        self,
        tally: Tally,
        gauges: Mapping[str, Callable[[], float]] | None = None,
        more: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self._tally, self._gauges, self._more = tally, gauges or {}, more
        self._served: Counter[tuple[str, int, str]] = Counter()

    def served(self, path: str, exchange: Exchange) -> None:
        """One answered request: by path (one of ours; callers choose all others), status and effect."""
        self._served[path, exchange.status, exchange.effect] += 1

    def samples(self) -> dict[str, float]:
        """Everything, by series: what the keeper gets once a second."""
        found: dict[str, float] = {}
        for (path, status, effect), count in self._served.items():
            labels = {"path": path, "status": str(status)} | ({"effect": effect} if effect else {})
            found[sample("gapura_requests_total", labels)] = count
        for (provider, outcome), count in self._tally.attempts.items():
            found[sample("gapura_attempts_total", {"provider": provider, "outcome": outcome})] = count
        for (provider, kind), count in self._tally.tokens.items():
            found[sample("gapura_tokens_total", {"provider": provider, "kind": kind})] = count
        for provider, count in self._tally.astray.items():
            found[sample("gapura_egress_refusals_total", {"provider": provider})] = count
        return found | {name: read() for name, read in self._gauges.items()} | self._more()


def shadow_samples(shadow: Shadow | None) -> dict[str, float]:
    """How the next version of the rules has decided beside the live one; `moved`: by other targets."""
    if shadow is None:
        return {}
    version = shadow.rules.book.version
    return {
        sample(
            SHADOWED,
            {"version": version, "live": live, "next": later, "moved": str(int(moved)), "territory": territory},
        ): count
        for (live, later, moved, territory), count in shadow.counts.items()
    }


def sample(name: str, labels: Mapping[str, str]) -> str:
    """A series' name.  Label values are ours or checked: providers, outcomes, paths of the table.

    >>> sample("gapura_attempts_total", {"provider": "qwen", "outcome": "complete"})
    'gapura_attempts_total{outcome="complete",provider="qwen"}'
    """
    pairs = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{pairs}}}" if pairs else name
