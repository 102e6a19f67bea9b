"""What somebody hands over as place data: taken in every form, and refused where it is damaged."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from tests.atlas.mmdb_writer import mmdb
from tests.atlas.place_data import archive, files, folder, texts

from gapura.atlas import candidates, sources
from gapura.atlas.candidates import BadData, Candidate

PLACES = {"1.0.0.0/24": "AU", "2.0.0.0/24": "CN"}


def read(tmp_path: Path, data: bytes, name: str = "update.tar.gz") -> Candidate:
    upload, into = tmp_path / "upload", tmp_path / "draft"
    upload.write_bytes(data)
    into.mkdir()
    return candidates.read(upload, name, into)


def without(content: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {one: data for one, data in content.items() if one != name}


def altered(**changes: object) -> dict[str, bytes]:
    content = files(PLACES)
    return content | {"meta.json": json.dumps(json.loads(content["meta.json"]) | changes).encode()}


@pytest.mark.parametrize("content", [files(PLACES), texts(PLACES)])
def test_a_build_and_texts_become_a_draft_that_can_be_read(tmp_path: Path, content: dict[str, bytes]) -> None:
    found = read(tmp_path, archive(content))
    ranges, meta = sources.read(found.folder)
    assert ranges.code(bytes([2, 0, 0, 1])) == "CN"
    assert (found.replaces, found.as_of, found.digest) == ("", "2026-10-25", meta.sha256["ranges.xz"])


def test_an_mmdb_is_known_by_its_name_or_by_its_mark(tmp_path: Path) -> None:
    data = mmdb({"1.0.0.0/24": {"country": {"iso_code": "AU"}}})
    found = read(tmp_path, data, "City.mmdb")
    assert (found.replaces, found.as_of, found.digest) == (
        "City.mmdb", "2026-06-01", hashlib.sha256(data).hexdigest(),
    )  # fmt: skip
    assert (found.folder / "City.mmdb").read_bytes() == data


def twice() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("meta.json"))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"no archive at all", "could not be opened"),
        (archive(files(PLACES))[:-200], "end"),
        (archive({"readme": b"hello"}), "holds none of meta.json"),
        (archive(without(files(PLACES), "ranges.xz")), "ranges.xz is missing"),
        (archive(without(files(PLACES), "meta.json")), "meta.json is missing"),
        (archive(without(texts(PLACES), "geoip6")), "geoip6 is missing"),
        (archive(files(PLACES) | {"ranges.xz": b"\0" * 100}), "ranges.xz is not the file that meta.json describes"),
        (archive(altered(format=99)), "is of format 99"),
        (archive(altered(sha256={})), "no hash of ranges.xz"),
        (archive(altered(as_of=3)), "as_of"),
        (archive(files({})), "knows no place"),
        (twice(), "twice"),
    ],
)
def test_what_is_damaged_is_refused_by_name(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(BadData, match=words) as refused:
        read(tmp_path, data)
    assert str(refused.value).startswith("update.tar.gz: ")


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, mmdb({"1.0.0.0/24": {"country": {"iso_code": "AU"}}})[:-40]])
def test_a_damaged_mmdb_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadData, match=r"City\.mmdb"):
        read(tmp_path, data, "City.mmdb")


def test_links_and_paths_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        link = tarfile.TarInfo("ranges.xz")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name, data in without(files(PLACES), "ranges.xz").items():
            member = tarfile.TarInfo(f"../../{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    with pytest.raises(BadData, match=r"ranges\.xz is missing"):
        read(tmp_path, packed.getvalue())
    assert not (tmp_path.parent / "meta.json").exists()


def test_what_lies_in_a_folder_is_hashed_anew_each_time(tmp_path: Path) -> None:
    build = folder(tmp_path / "build", files(PLACES))
    assert candidates.examine(build).title == "Made for a test"
    (build / "ranges.xz").write_bytes(b"\0" * 10)
    with pytest.raises(BadData, match="not the file"):
        candidates.examine(build)
