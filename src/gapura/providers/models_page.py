"""docs/reference/models.md: what stands for what, made from the data; a test compares."""

import sys
from collections.abc import Iterator

from gapura.providers.counterparts import counterparts

HEAD = """\
# Models

Made from `src/gapura/providers/data/counterparts.toml`; a test compares. Limits and ends of single models are in
[providers](providers.md#models), and `gapura model list`, `gapura model show` and `gapura model map` tell both.

Applications keep sending names that are shut. Where no provider here has a name, or its vendor has ended it, the first
counterpart at each provider with a key answers, in the order of [`models.counterparts`](gapura-toml.md#models); the
answer says so in `gapura-losses: model`, and `gapura-provider` names who answered. A `*` stands for all names that
begin so. Of images, speech and video it is told what stands for what; the gateway has no endpoint for them.

From 90 days before its end a model says so in each answer, as in
`gapura-model: ends=2026-12-11;counterpart=openai/gpt-6.1-sol`. The start and `gapura doctor` name the routes that lead
to such a model, and `doctor` says when these facts grow old.
"""


def render() -> str:
    known = counterparts()
    return "\n".join([HEAD, f"As of {known.as_of}. {known.source}\n", *_rows(), ""])


def _rows() -> Iterator[str]:
    vendors = list(dict.fromkeys(provider for entry in counterparts().entries for provider in entry.to))
    yield f"| asked for | kind | {' | '.join(vendors)} | |"
    yield "|---|---|" + "---|" * (len(vendors) + 1)
    for entry in counterparts().entries:
        names = ", ".join(f"`{name}`" for name in entry.names)
        cells = [", ".join(f"`{other}`" for other in entry.to.get(vendor, ())) or "–" for vendor in vendors]
        yield f"| {names} | {entry.kind} | {' | '.join(cells)} | {entry.note} |"


if __name__ == "__main__":
    sys.stdout.write(render())
