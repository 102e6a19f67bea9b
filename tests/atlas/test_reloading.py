"""What has not changed is not read again: a correction must be in force within a second, however long the lists are."""

from pathlib import Path

import pytest
from tests.atlas.mmdb_writer import mmdb
from tests.atlas.place_data import files, folder

from gapura.atlas import sources
from gapura.atlas.corrections import Correction
from gapura.settings import BadSetting


def test_lists_and_files_are_read_once_a_build(tmp_path: Path) -> None:
    home, tor, city = tmp_path / "home", tmp_path / "tor.txt", tmp_path / "City.mmdb"
    folder(home / "atlas", files({"8.8.0.0/16": "US"}))
    tor.write_text("8.8.8.8\n")
    city.write_bytes(mmdb({"8.8.0.0/16": {"country": {"iso_code": "US"}}}))
    documents = {
        "atlas": {"sources": ["shipped", {"file": str(city)}], "networks": [{"file": str(tor), "kind": "tor"}]}
    }
    first = sources.load(home, documents)
    corrected = sources.load(home, documents, corrected=[Correction("8.8.8.0/24", "SG", "r", "o")])
    assert corrected.networks is first.networks and corrected.sources[1] is first.sources[1]
    assert (first.locate("8.8.8.8").territory, corrected.locate("8.8.8.8").territory) == ("US", "SG")

    tor.write_text("8.8.9.9\n# another one\n")
    city.write_bytes(mmdb({"8.8.0.0/16": {"country": {"iso_code": "CN"}}, "9.0.0.0/8": {}}))
    then = sources.load(home, documents)
    assert (then.locate("8.8.8.8").network, then.locate("8.8.9.9").network) == ("", "tor")
    assert then.locate("8.8.8.8").certainty == "uncertain" and then.version != first.version


@pytest.mark.parametrize("table", [{"sources": [{"file": "no.mmdb"}]}, {"networks": [{"file": "no", "kind": "tor"}]}])
def test_a_file_that_is_gone_names_its_field(table: dict[str, object]) -> None:
    with pytest.raises(BadSetting, match=rf"atlas\.{next(iter(table))}\[0\]\.file: .*No such file"):
        sources.load(None, {"atlas": table})
