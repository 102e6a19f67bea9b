import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.errors import BadRequest
from gapura.store import secrets
from gapura.store.base import StoreFailed

GIVEN = "0123456789abcdef0123456789abcdef"


def test_the_file_is_made_once_and_ours_alone(tmp_path: Path) -> None:
    first, second = secrets.load(tmp_path), secrets.load(tmp_path)
    assert first.pepper == second.pepper and first.pepper_id == second.pepper_id
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_who_starts_at_the_same_time_gets_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    gate = threading.Barrier(8)

    def load() -> None:
        gate.wait()
        found.append(secrets.load(tmp_path).pepper)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_a_given_secret_goes_before_the_file(tmp_path: Path) -> None:
    given_one = secrets.load(tmp_path, GIVEN)
    assert not list(tmp_path.iterdir())
    assert given_one.pepper_id == secrets.load(tmp_path, GIVEN).pepper_id != secrets.load(tmp_path).pepper_id


@pytest.mark.parametrize("weak", ["short", "x" * 31, "a" * 64, "abc" * 20])
def test_a_weak_value_is_refused_naming_the_setting(tmp_path: Path, weak: str) -> None:
    with pytest.raises(BadRequest, match="GAPURA_SECRET must have at least 32 random characters"):
        secrets.load(tmp_path, weak)


@pytest.mark.parametrize(("mode", "text", "words"), [(0o640, GIVEN, "chmod 600"), (0o600, "", "damaged")])
def test_an_unusable_file_is_said(tmp_path: Path, mode: int, text: str, words: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(StoreFailed, match=words):
        secrets.load(tmp_path)


def test_each_purpose_has_its_own_key_and_none_is_shown() -> None:
    secret = secrets.Secret(os.urandom(32))
    derived = {secret.derive("a"), secret.derive("b"), secret.pepper}
    assert len(derived) == 3
    assert secret.pepper.hex() not in repr(secret)
    assert secret.digest("x") != secrets.Secret(os.urandom(32)).digest("x")


def test_drawn_tokens_are_random_and_well_formed() -> None:
    tokens = {secrets.draw("sk-gp-") for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {6 + 43 + 6}
    assert all(secrets.is_drawn(token, "sk-gp-") and token.isascii() for token in tokens)
    assert {len(secrets.public(token, "sk-gp-")) for token in tokens} == {12}
    assert secrets.public(GIVEN, "sk-gp-") == GIVEN[:6]


@given(at=st.integers(6, 54), character=st.sampled_from(secrets.ALPHABET))
def test_one_wrong_character_is_seen(at: int, character: str) -> None:
    token = secrets.draw("sk-gp-")
    wrong = token[:at] + character + token[at + 1 :]
    assert secrets.is_drawn(wrong, "sk-gp-") == (wrong == token)
