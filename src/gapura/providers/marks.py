"""Texts in which a model marks its thoughts and its boxes, as the open weights of GLM's seeing models write them.

    <think>Two and five.</think><|begin_of_box|>7<|end_of_box|>  →  "7", thought "Two and five."

BigModel's API hands the marks on (facts and sources: docs/decisions/0024), and applications that were not written for
these models show them to people.  Thoughts become `reasoning_content`; the marks of boxes are taken out.
"""

import re
from typing import Any

from gapura.providers.answers import Spoken, listed, prose

Item = dict[str, Any]

THINK, THOUGHT = "<think>", "</think>"
MARKS = (THINK, THOUGHT, "<|begin_of_box|>", "<|end_of_box|>")
MARK = re.compile("|".join(map(re.escape, MARKS)))

TOLD = "the model's marks around thoughts and boxes are taken out of the answer"


class Text:
    """One choice's text.  However it is cut, the same comes out: what may be the beginning of a mark is held back."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = self._thinks = False

    def feed(self, more: str, *, last: bool) -> tuple[str, str]:
        """What is said and what is thought of it.  `last`: nothing more is to come."""
        text, self._held = self._held + more, ""
        if not last:
            end = len(text) - _open(text)
            text, self._held = text[:end], text[end:]
        said: tuple[list[str], list[str]] = ([], [])
        at = 0
        for found in MARK.finditer(text):
            self._add(said, text[at : found.start()])
            at = found.end() if self._heeds(found[0]) else found.start()
        self._add(said, text[at:])
        return "".join(said[0]), "".join(said[1])

    def _add(self, said: tuple[list[str], list[str]], text: str) -> None:
        said[self._thinks].append(text)
        self._begun = self._begun or bool(text.strip())

    def _heeds(self, mark: str) -> bool:
        """Thoughts come first, if at all; a mark of them elsewhere is a word of the answer."""
        if mark == THINK and not self._begun:
            self._thinks = self._begun = True
        elif mark == THOUGHT and self._thinks:
            self._thinks = False
        else:
            return mark not in {THINK, THOUGHT}
        return True


def _open(text: str) -> int:
    """How many of the last characters may begin a mark."""
    longest = min(len(text), max(map(len, MARKS)) - 1)
    return next((size for size in range(longest, 0, -1) if any(m.startswith(text[-size:]) for m in MARKS)), 0)


class Unmarked:
    """`spoken`, without the marks: for a plain answer, or for all events of one stream."""

    def __init__(self, spoken: Spoken) -> None:
        self._spoken = spoken
        self._texts: dict[Any, Text] = {}

    def __call__(self, said: Item) -> Item:
        said = self._spoken(said)
        for choice in listed(said, "choices"):
            if isinstance(choice, dict):
                self._take_out(choice)
        return said

    def _take_out(self, choice: Item) -> None:
        name = "message" if "message" in choice else "delta"
        message = choice.get(name)
        message = message if isinstance(message, dict) else {}
        last = name == "message" or bool(choice.get("finish_reason"))
        text = self._texts.setdefault(str(choice.get("index") or 0), Text())
        content = prose(message, "content")
        said, thought = text.feed(content or "", last=last)
        changed = {**message, "content": said if said or content is not None else None}
        if thought:
            changed["reasoning_content"] = (prose(message, "reasoning_content") or "") + thought
        choice[name] = changed
