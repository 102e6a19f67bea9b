from gapura.wire.exposition import render


def test_a_family_stands_together_and_is_typed_once() -> None:
    text = render({"a_b": 1, 'a{x="2"}': 2, "a": 3})
    assert text.splitlines() == ["# TYPE a gauge", "a 3", 'a{x="2"} 2', "# TYPE a_b gauge", "a_b 1"]


def test_numbers_are_whole() -> None:
    assert "tokens_total 123456789012\n" in render({"tokens_total": 123456789012.0})
    assert "lag 0.25\n" in render({"lag": 0.25})
    assert "limit inf\n" in render({"limit": float("inf")})


def test_nothing_is_nothing() -> None:
    assert render({}) == ""
