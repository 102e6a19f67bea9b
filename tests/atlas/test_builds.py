"""One switch, all or nothing; and what is not needed any more goes."""

import os
from pathlib import Path

import pytest
from tests.atlas.place_data import files, folder

from gapura.atlas import builds, sources
from gapura.atlas.builds import InForce, Pointer

CHINA, SINGAPORE = {"1.0.0.0/24": "CN"}, {"1.0.0.0/24": "SG"}


def kept(home: Path, places: dict[str, str], digest: str) -> str:
    draft = builds.draft(home)
    folder(draft, files(places))
    return builds.keep(home, draft, digest)


def place(home: Path) -> str:
    return sources.load(home).locate("1.0.0.1").territory


def test_a_switch_changes_what_is_loaded_and_can_be_taken_back(tmp_path: Path) -> None:
    folder(tmp_path / "atlas", files(CHINA))
    assert place(tmp_path) == "CN"
    build = kept(tmp_path, SINGAPORE, "a" * 64)
    assert place(tmp_path) == "CN"
    before = builds.pointer(tmp_path)
    builds.switch(tmp_path, Pointer(InForce(build), before.now))
    assert place(tmp_path) == "SG"
    at = builds.pointer(tmp_path)
    assert at.former is not None
    builds.switch(tmp_path, Pointer(at.former, at.now))
    assert place(tmp_path) == "CN"


@pytest.mark.parametrize(("module", "name"), [(os, "fsync"), (Path, "replace")])
def test_a_switch_that_fails_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    build = kept(tmp_path, SINGAPORE, "a" * 64)
    builds.switch(tmp_path, Pointer(InForce(build)))
    files_before = sorted(path.name for path in (tmp_path / "atlas").iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, name, full)
    with pytest.raises(OSError, match="No space"):
        builds.switch(tmp_path, Pointer())
    assert builds.pointer(tmp_path).now == InForce(build) and place(tmp_path) == "SG"
    assert sorted(path.name for path in (tmp_path / "atlas").iterdir()) == files_before


def test_the_same_data_are_the_same_build(tmp_path: Path) -> None:
    assert kept(tmp_path, CHINA, "b" * 64) == kept(tmp_path, CHINA, "b" * 64) == "b" * 16
    assert [path.name for path in (tmp_path / "atlas").iterdir()] == ["builds"]


def test_only_what_holds_or_can_be_gone_back_to_is_kept(tmp_path: Path) -> None:
    names = [kept(tmp_path, CHINA, letter * 64) for letter in "abcd"]
    draft = builds.draft(tmp_path)
    builds.switch(tmp_path, Pointer(InForce(names[0], {"City.mmdb": names[1]}), InForce(names[2])))
    builds.drop(tmp_path, names[0])
    builds.sweep(tmp_path)
    assert sorted(path.name for path in (tmp_path / "atlas" / "builds").iterdir()) == names[:3]
    assert not draft.exists()


def test_a_damaged_pointer_is_named(tmp_path: Path) -> None:
    (tmp_path / "atlas").mkdir()
    (tmp_path / "atlas" / builds.POINTER).write_text("{")
    with pytest.raises(ValueError, match=r"in-force\.json is damaged"):
        sources.load(tmp_path)


def test_a_file_stands_for_the_configured_one_of_its_name(tmp_path: Path) -> None:
    configured = Path("/srv/City.mmdb")
    assert builds.chosen(tmp_path, InForce(), configured) == configured
    chosen = builds.chosen(tmp_path, InForce("", {"City.mmdb": "b1"}), configured)
    assert chosen == tmp_path / "atlas" / "builds" / "b1" / "City.mmdb"
