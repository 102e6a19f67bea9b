"""The measurements themselves work; what they find is no test's business."""

from bench import micro


def test_each_part_is_measured_beside_a_baseline() -> None:
    found = micro.run(rounds=2)
    assert set(found) == {"locate", "decide", "sse", "translate", "journal"}
    assert all(one["us"] > 0 and one["baseline_us"] > 0 and one["ratio"] > 0 for one in found.values())
