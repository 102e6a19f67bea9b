"""Returned mail is taken from a maildir once, also by a process that died half-way."""

import mailbox
from pathlib import Path

import pytest
from tests.post.test_returns import sample

from gapura.post import maildir
from gapura.settings import BadSetting


@pytest.fixture
def place(tmp_path: Path) -> Path:
    mailbox.Maildir(tmp_path / "returned", create=True).close()
    return tmp_path / "returned"


def deliver(place: Path, *names: str) -> list[str]:
    box = mailbox.Maildir(place)
    return [box.add(sample(name)) for name in names]


def test_each_message_is_stored_once_and_moved(place: Path) -> None:
    keys = deliver(place, "postfix-unknown-user", "out-of-office")
    stored = {}
    for arrived in maildir.waiting(place):
        stored[arrived.key] = [one.kind for one in arrived.returned]
        maildir.done(place, [arrived.key])
    assert stored == {keys[0]: ["hard"], keys[1]: ["automatic"]}
    assert list(maildir.waiting(place)) == []
    assert {path.name for path in (place / "cur").iterdir()} == {f"{key}:2,S" for key in keys}


def test_who_dies_between_storing_and_moving_finds_the_same_key(place: Path) -> None:
    deliver(place, "postfix-unknown-user")
    (first,) = maildir.waiting(place)
    (second,) = maildir.waiting(place)
    assert first == second


def test_what_cannot_be_read_holds_nothing_up(place: Path) -> None:
    (place / "new" / "0.folder").mkdir()
    (place / "new" / ".hidden").write_text("x")
    deliver(place, "qmail-unknown-user")
    assert [one.returned[0].kind for one in maildir.waiting(place)] == ["hard"]


def test_the_folder_is_checked_when_it_is_read(tmp_path: Path, place: Path) -> None:
    assert maildir.folder({}, tmp_path) is None
    assert maildir.folder({"mail": {"returns": {"maildir": "returned"}}}, tmp_path) == place
    with pytest.raises(BadSetting, match=r"^mail.returns.maildir: .*/elsewhere is no maildir: it has no folder new"):
        maildir.folder({"mail": {"returns": {"maildir": "elsewhere"}}}, tmp_path)
    with pytest.raises(BadSetting, match=r"^mail.returns.folder: there is no such field"):
        maildir.folder({"mail": {"returns": {"folder": "returned"}}}, tmp_path)
