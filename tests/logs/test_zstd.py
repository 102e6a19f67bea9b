"""Where a zstd file ends, against files that DuckDB writes."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapura.logs.zstd import is_whole

SKIPPABLE = b"\x5a\x2a\x4d\x18\x04\x00\x00\x00abcd"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("zstd") / "file"
    rows = "SELECT hash(i)::VARCHAR || repeat('a', 100) FROM range(20000) r(i)"
    duckdb.connect().execute(f"COPY ({rows}) TO '{path}' (FORMAT csv, COMPRESSION zstd)").fetchall()
    return path.read_bytes()


def test_whole_ones(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for whole in (content, content + content, SKIPPABLE + content, content + SKIPPABLE, b""):
        path.write_bytes(whole)
        assert is_whole(path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_that_is_cut_anywhere(data: st.DataObject, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content[: data.draw(st.integers(1, len(content) - 1))])
    assert not is_whole(path)


def test_what_follows_must_be_a_frame(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content + b"garbage")
    assert not is_whole(path)
