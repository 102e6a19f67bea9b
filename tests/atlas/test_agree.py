"""Several answers, one place: a table, and what holds of any answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas.agree import ALONE, CAPS, DIVIDED, Agreed, agree, confidence, weakened
from gapura.atlas.base import STRENGTH, Found
from gapura.atlas.territories import CODES
from gapura.terms.place import Network


@pytest.mark.parametrize(
    ("answers", "territory", "certainty", "upheld"),
    [
        (["SG"], "SG", "certain", (0,)),
        (["SG", "SG"], "SG", "certain", (0, 1)),
        (["SG", ""], "SG", "certain", (0,)),
        (["", "SG"], "SG", "certain", (1,)),
        (["UK", "GB"], "GB", "certain", (0, 1)),
        (["SG", "CN"], "SG", "uncertain", (0,)),
        (["CN", "SG", "SG"], "CN", "uncertain", (0,)),
        (["", "SG", "CN"], "SG", "uncertain", (1,)),
        (["EU"], "", "uncertain", ()),
        (["HK", "AP"], "HK", "uncertain", (0,)),
        (["AP", "HK"], "", "uncertain", ()),
        (["EU", "EU"], "", "uncertain", ()),
        *(([code, ""], "", "uncertain", ()) for code in ("EU", "AP", "XX", "T1", "A1", "A2", "??", "CS", "ZZ")),
        (["", ""], "", "unknown", ()),
        ([], "", "unknown", ()),
    ],
)
def test_what_answers_amount_to(answers: list[str], territory: str, certainty: str, upheld: tuple[int, ...]) -> None:
    assert agree([Found(code) for code in answers]) == (territory, certainty, "", upheld)


@pytest.mark.parametrize(
    ("answers", "part"),
    [
        ([Found("UA", "UA-43")], "UA-43"),
        ([Found("UA"), Found("UA", "UA-43")], "UA-43"),
        ([Found("UA", "UA-43"), Found("UA", "UA-43")], "UA-43"),
        ([Found("UA", "UA-43"), Found("UA", "UA-40")], ""),
        ([Found("UA"), Found("RU", "RU-MOW")], ""),
        ([Found("UA", "UA-43"), Found("RU")], "UA-43"),
        ([Found("EU", "EU-X"), Found("UA", "UA-43")], ""),
    ],
)
def test_a_part_is_told_by_who_agrees_on_the_whole(answers: list[Found], part: str) -> None:
    assert agree(answers).subdivision == part


FOUND = st.sampled_from([Found(code) for code in ("", "", "SG", "CN", "HK", "UK", "GB", "EU", "??")])


@given(st.lists(FOUND, max_size=5))
def test_certain_is_only_what_nobody_contradicts(answers: list[Found]) -> None:
    found = agree(answers)
    said = {{"UK": "GB"}.get(answer.code, answer.code) for answer in answers} - {""}
    assert (found.certainty == "certain") == (len(said) == 1 and said <= CODES)
    assert (found.certainty == "unknown") == (not said)
    assert not found.territory or found.territory in said
    assert agree([*answers, Found()])[:3] == found[:3]


@given(st.lists(FOUND, max_size=5), st.sampled_from(list(STRENGTH)), st.integers(-400, 10_000))
def test_confidence_is_a_share_and_age_never_adds_to_it(answers: list[Found], network: Network, age: int) -> None:
    found = agree(answers)
    sure = confidence(found, network, age)
    assert 0 <= sure <= CAPS.get(network, 1)
    assert (sure > 0) == bool(found.territory)
    assert confidence(found, network, age + 30) <= sure
    assert sure <= DIVIDED or found.certainty == "certain"


def test_the_table_of_confidence() -> None:
    def certain(*upheld: int) -> Agreed:
        return Agreed("SG", "certain", "", upheld)

    assert confidence(certain(0, 1), "", 0) == 0.98
    assert confidence(certain(1), "", 29) == ALONE == 0.954
    assert confidence(certain(1), "", 30) == 0.953
    assert confidence(certain(1), "", 730) == 0.93
    assert confidence(certain(0, 1), "mobile", 0) == 0.845
    assert confidence(certain(0, 1), "vpn", 0) == confidence(certain(0), "tor", 0) == 0.74
    assert confidence(Agreed("SG", "uncertain", "", (0,)), "", 0) == 0.5
    assert confidence(Agreed("", "uncertain", "", ()), "", 0) == confidence(Agreed("", "unknown", "", ()), "", 0) == 0.0
    assert weakened(0.92, "relay", 0) == 0.92
