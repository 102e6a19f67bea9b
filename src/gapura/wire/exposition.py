"""Prometheus' text format, version 0.0.4."""

from collections.abc import Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(samples: Mapping[str, float]) -> str:
    """Series are named with their labels, families that only grow end in `_total`; the others are gauges.

    >>> print(render({'gapura_requests_total{provider="glm"}': 2.0, 'gapura_streams': 1.5}), end="")
    # TYPE gapura_requests_total counter
    gapura_requests_total{provider="glm"} 2
    # TYPE gapura_streams gauge
    gapura_streams 1.5
    """
    lines, family = [], ""
    # By family first: `a{…}` sorts behind `a_b`, and a family must stand together.
    for family_name, series in sorted((series.partition("{")[0], series) for series in samples):
        if family_name != family:
            family = family_name
            lines.append(f"# TYPE {family} {'counter' if family.endswith('_total') else 'gauge'}")
        value = float(samples[series])
        lines.append(f"{series} {int(value) if value.is_integer() else repr(value)}")
    return "".join(f"{line}\n" for line in lines)
