"""What models cost, by the API: by date, and a price that nobody told is said to be none."""

from typing import Any

OWN = {
    "prices": {"qwen/qwen-plus": [{"currency": "CNY", "from": "2026-12-01T00:00:00+08:00", "input": 0.8, "output": 2}]}
}


def test_prices_that_are_known_here(home: Any) -> None:
    listed = home.ask("GET", "/prices").json
    assert listed["as_of"] and {one["provider"] for one in listed["items"]} == {"openai", "qwen"}
    of_qwen = home.ask("GET", "/prices?provider=qwen").json["items"]
    assert {one["provider"] for one in of_qwen} == {"qwen"} and "qwen-plus" in {one["model"] for one in of_qwen}


def test_a_price_at_an_instant(home: Any) -> None:
    home.documents |= OWN
    home.ask("POST", "/policies/reload")
    before = home.ask("GET", "/prices/qwen?model=qwen-plus").json
    assert (before["currency"], before["tiers"][0][1]) == ("USD", 115_000_000)
    after = home.ask("GET", "/prices/qwen?model=qwen-plus&at=2026-12-01T00:00:00%2B08:00").json
    assert (after["currency"], after["tiers"][0][1], after["source"]) == ("CNY", 800_000_000, "gapura.toml")


def test_what_nobody_told(home: Any) -> None:
    missing = home.ask("GET", "/prices/openai?model=gpt-99")
    assert missing.status == 404 and '[prices."openai/gpt-99"]' in missing.error["message"]
    assert home.ask("GET", "/prices/openai?model=gpt-4o&at=2026-12-01").error["field"] == "at"
