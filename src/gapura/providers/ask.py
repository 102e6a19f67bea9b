"""One chat request on its way to a vendor: what was given, what is known of the model, what goes out, what is lost."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw

from gapura.errors import BadRequest
from gapura.providers.catalogue import Model
from gapura.providers.fields import UNKNOWN, Field
from gapura.terms.loss import Loss, Weight

NULL = Raw(b"null")


class Ask:
    """`given` are the caller's top-level fields without the nulls, which mean the default everywhere.  The table
    and the steps of a vendor fill `body` and `losses`; `path` and `headers` where they depend on the request."""

    def __init__(self, given: Mapping[str, Raw], model: str, facts: Model, cap: int | None, *, stream: bool) -> None:
        self.given = {name: value for name, value in given.items() if value != NULL}
        self.model = model
        self.facts = facts
        self.cap = cap
        self.stream = stream
        self.body: dict[str, Any] = {"model": model}
        self.losses: list[Loss] = []
        self.path = ""
        self.form: Any = None  # a `forms.Form` that the answer must have, since the vendor does not see to it
        self.headers: list[tuple[bytes, bytes]] = []

    def value(self, name: str, kind: Any) -> Any:
        """A given field, decoded; None where it is absent.  Raises BadRequest naming it."""
        raw = self.given.get(name)
        return None if raw is None else _decode(name, raw, kind)

    def lose(self, field: str, why: str, weight: Weight) -> None:
        """Once for each field and reason, however many messages or tools have it."""
        loss = Loss(field, why, weight)
        if loss not in self.losses:
            self.losses.append(loss)

    def carry(self, table: Mapping[str, Field], unknown: Field = UNKNOWN) -> None:
        """Every given field by its line of the table, or as one that the provider does not know."""
        refused = self.facts.refuses
        for name, raw in self.given.items():
            field = table.get(name, unknown)
            if refused and name in refused:
                self.lose(name, f"{self.model} refuses it", "behavioural")
                continue
            sent, why = field.carry(name, raw if field.kind is Raw else _decode(name, raw, field.kind))
            if sent:
                self.body |= sent
            if why:
                self.lose(name, why, field.weight or "behavioural")


def _decode(name: str, raw: Raw, kind: Any) -> Any:
    if kind is Raw:
        return raw
    try:
        return _decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        said, _, where = str(error).replace("`", "").partition(" - at $")
        raise BadRequest(
            f"Invalid value for '{name}{where}': {said[0].lower()}{said[1:]}.", param=name + where
        ) from None
    except (ValueError, RecursionError):
        raise BadRequest(f"Invalid value for '{name}': it is no valid JSON.", param=name) from None


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    """Made once for each kind, which takes ten times as long as what it is for."""
    return msgspec.json.Decoder(kind)
