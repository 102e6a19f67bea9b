"""The items that a kept Response answered, in pages: OpenAI's GET /v1/responses/{id}/input_items."""

import hashlib
from typing import Any
from urllib.parse import parse_qs

from gapura.wire.fates import wrong

Item = dict[str, Any]

USUAL, MOST = 20, 100
ORDERS = ("asc", "desc")


def page(items: list[Item], response: str, query: str) -> Item:
    """`items` in the order in which they were said, each of which is known by the same id whenever it is asked for.
    `query`: `limit`, `order` (the newest first, unless told otherwise) and `after`.  Raises BadRequest naming one."""
    asked = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    limit, order, after = asked.get("limit", str(USUAL)), asked.get("order", "desc"), asked.get("after")
    if not (limit.isascii() and limit.isdecimal() and len(limit) < len(str(MOST)) + 1 and 1 <= int(limit) <= MOST):
        raise wrong("limit", f"expected a number from 1 to {MOST}")
    if order not in ORDERS:
        raise wrong("order", f"expected {' or '.join(ORDERS)}")
    shown = [_shown(item, response, number) for number, item in enumerate(items)]
    if order == "desc":
        shown.reverse()
    if after is not None:
        place = next((number for number, item in enumerate(shown) if item["id"] == after), None)
        if place is None:
            raise wrong("after", "there is no item of this id")
        shown = shown[place + 1 :]
    found = shown[: int(limit)]
    return {
        "object": "list",
        "data": found,
        "first_id": found[0]["id"] if found else None,
        "last_id": found[-1]["id"] if found else None,
        "has_more": len(shown) > len(found),
    }


PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


def _shown(item: Item, response: str, number: int) -> Item:
    """With its kind, an id, a state and parts, which who sends it may leave out."""
    kind = item.get("type") or "message"
    made = hashlib.blake2b(f"{response}/{number}".encode(), digest_size=16).hexdigest()
    said = {**item, "type": kind, "id": item.get("id") or f"{PREFIXES.get(kind, 'item')}_{made}"}
    if kind != "reasoning":
        said["status"] = item.get("status") or "completed"
    if kind == "message" and isinstance(text := item.get("content"), str):
        said["content"] = [
            {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            if item.get("role") == "assistant"
            else {"type": "input_text", "text": text}
        ]
    return said
