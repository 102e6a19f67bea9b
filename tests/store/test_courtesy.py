"""Whoever works in turns lets others run between them, and nobody where it is late."""

import pytest

from gapura.store import courtesy
from gapura.store.courtesy import HASTE, in_turns


@pytest.mark.parametrize(("size", "given_way"), [(1, 7), (3, 2), (7, 1), (HASTE, 0)])
def test_others_run_after_each_piece(size: int, given_way: int, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[None] = []
    monkeypatch.setattr(courtesy, "give_way", lambda: turns.append(None))
    assert [item for piece in in_turns(range(7), size) for item in piece] == list(range(7))
    assert len(turns) == given_way
