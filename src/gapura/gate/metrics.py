"""A gate's counters: plain numbers in a dictionary, text only when somebody asks.

>>> metrics = Metrics()
>>> metrics.add("gapura_upstream_failures_total", 1, provider="qwen")
>>> metrics.samples()
{'gapura_upstream_failures_total{provider="qwen"}': 1}
"""

from collections.abc import Callable, Mapping

from gapura.request.accept import Exchange


class Metrics:
    """Names are `name{label="value"}`, ready for Prometheus' text format; `gauges` are read when asked for."""

    def __init__(self, gauges: Mapping[str, Callable[[], float]] | None = None) -> None:
        self._counts: dict[str, float] = {}
        self._gauges = gauges or {}
        self._served: dict[tuple[str, int, str], int] = {}

    def add(self, name: str, amount: float, **labels: str) -> None:
        series = sample(name, labels)
        self._counts[series] = self._counts.get(series, 0) + amount

    def served(self, path: str, exchange: Exchange) -> None:
        """One answered request: by path (one of ours; callers choose all others), status and effect."""
        key = (path, exchange.status, exchange.effect)
        self._served[key] = self._served.get(key, 0) + 1

    def samples(self) -> dict[str, float]:
        """Everything, by series: what the keeper gets once a second."""
        found = dict(self._counts)
        for (path, status, effect), count in self._served.items():
            labels = {"path": path, "status": str(status)} | ({"effect": effect} if effect else {})
            found[sample("gapura_requests_total", labels)] = count
        return found | {name: read() for name, read in self._gauges.items()}


def sample(name: str, labels: Mapping[str, str]) -> str:
    """A series' name.  Label values are ours or checked: providers, models of the rulebook, paths of the table."""
    pairs = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{pairs}}}" if pairs else name
