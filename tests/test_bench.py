"""The measurements themselves work; what they find is no test's business."""

from bench import micro, translate


def test_each_part_is_measured_beside_a_baseline() -> None:
    found = micro.run(rounds=2)
    assert set(found) == {"locate", "decide", "sse", "translate", "journal"}
    assert all(one["us"] > 0 and one["baseline_us"] > 0 and one["ratio"] > 0 for one in found.values())


def test_translation_is_measured_beside_passing_on() -> None:
    found = translate.run(seconds=0.1)
    for mode in ("plain", "stream"):
        assert all(found[mode][name]["cpu_us"] > 0 for name in translate.CASES)
        assert found[mode]["speed_against_passing"].keys() == set(translate.TRANSLATED)
