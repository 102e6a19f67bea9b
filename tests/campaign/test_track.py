"""When a letter is tried again: the times of the plan, and those that it has if nobody says otherwise."""

import msgspec
import pytest

from gapura.campaign.track import _pause
from gapura.terms.campaign import Retries
from gapura.terms.letter import Receipt

DEFERRED = Receipt(message_id="<a@b>", outcome="deferred", at=1, code=451, answer="later")
AWAY = msgspec.structs.replace(DEFERRED, code=0)


@pytest.mark.parametrize(
    ("retries", "receipt", "expected"),
    [
        (Retries(), DEFERRED, [5, 15, 30, 60, 120, 240, 480, 960, 0]),
        (Retries(), AWAY, [5, 15, 30, 60, 60, 60, 60, 60, 60]),
        (Retries(deferred=(1, 90), away=10), DEFERRED, [1, 90, 0]),
        (Retries(deferred=(1, 90), away=10), AWAY, [1, 10, 10]),
    ],
)
def test_minutes_until_it_is_tried_again(retries: Retries, receipt: Receipt, expected: list[int]) -> None:
    """0: the contact is given up; a relay that is away is no fault of the contact's."""
    assert [_pause(retries, attempts, receipt) for attempts in range(1, len(expected) + 1)] == expected
