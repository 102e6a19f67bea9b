"""Answers that are lists, of a request that a vendor took in pieces: joined again, in the order of what was asked.

>>> joined([(b'{"data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":2}}', Usage(2)),
...         (b'{"data":[{"index":0,"embedding":[3]}],"usage":{"prompt_tokens":5}}', Usage(5))])[0]
b'{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[3]}],"usage":{"prompt_tokens":7}}'
"""

from functools import reduce
from typing import Any

import msgspec
from msgspec import Raw

from gapura.terms.usage import Usage

Answer = dict[str, Raw]

_ANSWER = msgspec.json.Decoder(Answer)
_ITEMS = msgspec.json.Decoder(list[Answer])
_COUNTS = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()

LISTS = ("data", "results")


def joined(answers: list[tuple[bytes, Usage | None]]) -> tuple[bytes, Usage | None]:
    """One answer: the items of all, numbered anew where they have a number, and what all of them cost.  Everything else
    is as the first one says it."""
    said = [_ANSWER.decode(body) for body, _ in answers]
    whole = dict(said[0])
    for name in LISTS:
        if name in whole:
            items = [item for one in said for item in _ITEMS.decode(one[name])]
            whole[name] = Raw(_ENCODER.encode([_numbered(item, number) for number, item in enumerate(items)]))
    if "usage" in whole:
        whole["usage"] = Raw(_ENCODER.encode(_sum([_COUNTS.decode(one["usage"]) for one in said if "usage" in one])))
    return _ENCODER.encode(whole), _cost([usage for _, usage in answers])


def _numbered(item: Answer, number: int) -> Answer:
    return {**item, "index": Raw(b"%d" % number)} if "index" in item else item


def _sum(counts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        name: sum(one.get(name, 0) for one in counts) if type(value) is int else value
        for name, value in counts[0].items()
    }


def _cost(usages: list[Usage | None]) -> Usage | None:
    known = [usage for usage in usages if usage is not None]
    if len(known) < len(usages):
        return None
    return reduce(Usage.plus, known)
