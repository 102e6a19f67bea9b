"""A link opens one account's pages, for a time; nothing of it can be changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.clock import SECOND, instant
from gapura.store import accounts, links
from gapura.store.base import Connection
from gapura.store.links import DAY, LONGEST, Pass
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store
from gapura.terms import ids

SECRET = Secret(b"a fixture's secret of 32 bytes!!")
AT = instant("2026-11-22T12:00:00Z")
ACME = ids.new("acc", AT)


def test_it_opens_until_its_end() -> None:
    token = links.sign(SECRET, Pass(ACME, "object", AT + DAY, AT + 7))
    assert links.opened(SECRET, token, AT) == Pass(ACME, "object", AT + DAY, AT + 7)
    assert links.opened(SECRET, token, AT + DAY - 1) and links.opened(SECRET, token, AT + DAY) is None
    assert len(token) < LONGEST


def test_another_home_does_not_know_it() -> None:
    token = links.sign(SECRET, Pass(ACME, "see", AT + DAY, AT))
    assert links.opened(Secret(b"another secret of 32 bytes......"), token, AT) is None


@given(st.data())
def test_no_byte_of_it_can_be_changed(data: st.DataObject) -> None:
    token = links.sign(SECRET, Pass(ACME, "see", AT + DAY, AT))
    place = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.characters(max_codepoint=0x2FFF).filter(lambda sign: sign != token[place]))
    changed = links.opened(SECRET, token[:place] + sign + token[place + 1 :], AT)
    assert changed is None


@pytest.mark.parametrize("token", ["", ".", "...", "see", "a.b.c.d.e", "\ud800", "x" * 5000])
def test_garbage_opens_nothing(token: str) -> None:
    assert links.opened(SECRET, token, AT) is None


def test_a_letter_has_the_same_links_each_time_it_is_written() -> None:
    status, appeal = links.pages(SECRET, "https://notice.example.com/", ACME, AT)
    assert (status, appeal) == links.pages(SECRET, "https://notice.example.com", ACME, AT)
    assert appeal == f"{status}/object"
    opened = links.opened(SECRET, status.rpartition("/")[2], AT)
    assert opened == Pass(ACME, "object", (AT + links.DAYS * DAY) // SECOND * SECOND, AT)
    assert links.pages(SECRET, "", ACME, AT) == ("", "")


def test_one_is_revoked_or_all_that_there_were(store: Store) -> None:
    one, other = (Pass(ACME, "object", AT + days * DAY, AT) for days in (1, 2))
    later = Pass(ACME, "object", AT + DAY, AT + 1)
    came_in = one._replace(ends=AT + 3600 * SECOND, link=one.ends)

    def revoked(db: Connection) -> list[bool]:
        return [links.is_revoked(db, what) for what in (one, came_in, other, later)]

    def work(db: Connection) -> list[list[bool]]:
        rows = accounts.from_dicts([{"external_id": "acme"}])
        made = accounts.upsert(db, None, rows, AT).created[0].id
        db.execute("UPDATE account SET id = ? WHERE id = ?", (ACME, made))
        found = [revoked(db)]
        links.revoke(db, one, AT + DAY)
        found.append(revoked(db))
        links.revoke_all(db, ACME, AT)
        return [*found, revoked(db)]

    assert store.write(work).result() == [[False] * 4, [True, True, False, False], [True, True, True, False]]
