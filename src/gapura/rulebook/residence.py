"""Where a customer is, as opposed to where one request comes from: judged from all its visits.

An account is *outside* a policy's places if everything that is known of it points there: it was seen on enough
distinct days, or for long enough, and never from anywhere else.  One visit from a covered place ends that, and the
count begins anew; so a traveller, a company with offices on both sides, or a wrong address in between keeps an
account in.  Precedent: what GitLab did in December 2024 (five days or six months; one visit from elsewhere resets).

Only certain places count, in either direction: an address on which sources disagree neither accuses nor acquits.
"""

from collections.abc import Callable, Iterable

from gapura.terms.residence import Residence, Visit

MONTH = 365.2425 / 12


def residence(
    visits: Iterable[Visit], covers: Callable[[str], bool], *, enough_days: int, enough_months: int, today: int
) -> Residence:
    """`enough_days` or `enough_months` 0: that way does not lead outside."""
    known = sorted(visits)
    inside = [visit for visit in known if covers(visit.territory)]
    reset = (inside[-1].day, inside[-1].territory) if inside else None
    # A day on which it was seen from both sides is one on which it was inside.
    counted = [visit for visit in known if reset is None or visit.day > reset[0]]
    if not counted:
        return Residence(state="covered" if reset else "unseen", reset=reset)
    days = {visit.day for visit in counted}
    since, last = min(days), max(days)
    often = 0 < enough_days <= len(days)
    long = enough_months > 0 and today - since >= round(enough_months * MONTH)
    territories: dict[str, set[int]] = {}
    for visit in counted:
        territories.setdefault(visit.territory, set()).add(visit.day)
    return Residence(
        state="outside" if often or long else "counting",
        days=len(days),
        since=since,
        last=last,
        territories={territory: len(seen) for territory, seen in sorted(territories.items())},
        reset=reset,
    )


def turns_on(found: Residence, *, enough_months: int) -> int:
    """The day on which a count that goes on undisturbed is long enough; -1: time alone changes nothing."""
    return found.since + round(enough_months * MONTH) if found.state == "counting" and enough_months else -1
