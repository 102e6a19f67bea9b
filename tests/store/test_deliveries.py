"""What letters said is kept for a while after their campaign; what proves them, for good."""

import msgspec

from gapura.store import accounts, campaigns, deliveries
from gapura.store.accounts import from_dicts
from gapura.store.base import Connection
from gapura.store.deliveries import Planned
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.terms.campaign import Campaign
from gapura.terms.letter import Letter

DAY = 86_400_000_000
END = 100 * DAY


def letter(account: str, stage: str) -> Letter:
    return msgspec.convert(
        {
            "campaign": "c", "account": account, "external_id": account, "stage": stage, "kind": "notice",
            "message_id": f"<{stage}@x>", "to": "a@b.example", "name": "", "language": "en", "zone": "UTC",
            "provider": "OpenAI", "product": "API", "policy": "p", "source": "", "effect": "block",
            "effective_at": 9, "written_at": 1,
        },
        Letter,
    )  # fmt: skip


def sent(db: Connection, campaign: str, account: str, stages: list[str]) -> None:
    deliveries.plan(
        db, campaign, [Planned(account=account, stage=stage, kind="notice", due_at=1) for stage in stages], 1
    )
    for notice in deliveries.of_account(db, account, campaign):
        after = deliveries.move(db, notice, "compose", 2, message_id=f"<{notice.id}@x>", sha256="ab" * 32)
        deliveries.keep_letter(db, notice.id, letter(account, notice.stage))
        after = deliveries.move(db, after, "send", 2)
        last = notice.stage == stages[-1]
        deliveries.move(db, after, "defer" if last else "deliver", 3, due_at=4)


def test_letters_go_and_their_proof_stays(store: Store) -> None:
    def begin(db: Connection) -> dict[str, str]:
        found = {}
        for name in ("over", "running"):
            (made,) = accounts.upsert(db, None, from_dicts([{"external_id": name}]), 1).created
            spec = Campaign(name=name, policy="p", effective_at=9)
            kept = campaigns.write(db, spec, By("p", "", 1))
            sent(db, kept.id, made.id, ["T-14", "T-7", "T-1"])
            db.execute("UPDATE campaign SET state = 'running' WHERE id = ?", (kept.id,))
            found[name] = made.id
        campaigns.move(db, "over", "finish", By("p", "", END))
        return found

    found = store.write(begin).result()

    def left(name: str) -> list[bool]:
        told = store.read(lambda db: deliveries.of_account(db, found[name]))
        assert {one.sha256 for one in told} == {"ab" * 32}
        return [store.read(lambda db, one=one: deliveries.letter(db, one.id)) is not None for one in told]  # type: ignore[misc]

    def forget(before: int, limit: int = 1) -> int:
        return store.write(lambda db: deliveries.forget_letters(db, before, limit)).result()

    assert forget(END) == 0 and left("over") == [True] * 3, "it ended then, and not before"
    assert [forget(END + 1) for _ in range(3)] == [1, 1, 0], "in batches"
    assert left("running") == [True] * 3 and sorted(left("over")) == [False, False, True], "one is under way"
    (deferred,) = [
        one for one in store.read(lambda db: deliveries.of_account(db, found["over"])) if one.state == "deferred"
    ]
    store.write(lambda db: deliveries.move(db, deferred, "cancel", 5)).result()
    assert forget(END + 1) == 1 and left("over") == [False] * 3
    assert forget(END + 1) == 0
