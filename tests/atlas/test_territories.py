"""The table is whole, and vendors' spellings are understood."""

import csv
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas.territories import CODES, NAMES, SUBDIVISIONS, resolve

ZONES = Path("/usr/share/zoneinfo/iso3166.tab")


@pytest.mark.skipif(not ZONES.is_file(), reason="the system has no zoneinfo/iso3166.tab")
def test_the_codes_are_those_of_iso_3166_and_kosovo() -> None:
    lines = [line for line in ZONES.read_text().splitlines() if line[:1] not in ("#", "")]
    assert {line.split("\t")[0] for line in lines} | {"XK"} == CODES


def test_every_territory_answers_to_its_code_and_its_name() -> None:
    assert len(CODES) == 250
    for code, name in NAMES.items():
        assert resolve(code) == resolve(code.lower()) == resolve(name) == resolve(name.upper()) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Congo (DRC)", "CD"),
        ("Congo, Democratic Republic of (DRC)", "CD"),
        ("Democratic Republic of the Congo", "CD"),
        ("Congo (Brazzaville)", "CG"),
        ("Congo, Republic of the", "CG"),
        ("Republic of the Congo", "CG"),
        ("Czechia (Czech Republic)", "CZ"),
        ("Czech Republic", "CZ"),
        ("Holy See (Vatican City)", "VA"),
        ("Eswatini (Swaziland)", "SZ"),
        ("Timor-Leste (East Timor)", "TL"),
        ("Timor-Leste, Democratic Republic of", "TL"),
        ("Ukraine (with certain exceptions)", "UA"),
        ("Ukraine (except Crimea, Donetsk, and Luhansk regions)", "UA"),
        ("Côte d'Ivoire", "CI"),
        ("Cote d’Ivoire", "CI"),
        ("Sao Tome and Principe", "ST"),
        ("Aland Islands", "AX"),
        ("The Bahamas", "BS"),
        ("The Gambia", "GM"),
        ("Falkland Islands (Islas Malvinas)", "FK"),
        ("Caribbean Netherlands", "BQ"),
        ("U.S. Virgin Islands", "VI"),
        ("British Virgin Islands", "VG"),
        ("Turkey", "TR"),
        ("Turkiye", "TR"),
        ("Cape Verde", "CV"),
        ("Macau", "MO"),
        ("Kosovo", "XK"),
        ("United States of America", "US"),
        ("UK", "GB"),
        ("Viet Nam", "VN"),
        ("South Korea", "KR"),
        ("north  KOREA", "KP"),
    ],
)
def test_spellings_that_vendors_use(name: str, code: str) -> None:
    assert resolve(name) == code


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Turkei", r"did you mean Türkiye \(TR\)"),
        ("Sinagpore", r"did you mean Singapore \(SG\)"),
        ("EU", "two letters"),
        ("AP", "two letters"),
        ("XX", "two letters"),
        ("Korea", "no territory"),
        ("Virgin Islands", "no territory"),
        ("", "no territory"),
        ("Crimea", r"UA-43, a part of Ukraine.*use UA"),
        ("ua-23", r"UA-23, a part of Ukraine"),
    ],
)
def test_an_unknown_name_is_never_guessed(name: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        resolve(name)


@given(st.text())
def test_any_text_is_a_territory_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert resolve(text) in CODES


def test_subdivisions_belong_to_territories() -> None:
    assert set(SUBDIVISIONS) == {"UA-09", "UA-14", "UA-23", "UA-40", "UA-43"}
    assert {part[:2] for part in SUBDIVISIONS} <= CODES


REGIONS = Path(__file__).parents[3] / "shared/facts/regions.csv"


@pytest.mark.skipif(not REGIONS.is_file(), reason="the table of vendors' lists is not there")
def test_the_table_of_vendors_lists_names_no_other_code() -> None:
    with REGIONS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["provider"], row["product"]) == ("openai", "api")]
    assert {row["iso2"] for row in rows} == CODES
