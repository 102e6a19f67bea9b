"""What a warned caller is told beside the answer: from when there will be none, by which policy, where to read on.

`Sunset` (RFC 8594) speaks of a resource, and here of this resource to this caller: hence `Cache-Control: private`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from gapura.clock import SECOND
from gapura.rulebook.ahead import Ahead, ahead
from gapura.rulebook.compile import Memo, Rules
from gapura.terms.caller import Account, Caller
from gapura.terms.place import Origin
from gapura.terms.verdict import Decision, Verdict

Headers = list[tuple[bytes, bytes]]
Judge = Callable[[int], Verdict]


class Notices:
    """`page`: where the operator tells its customers more; "": what the list itself was taken from."""

    def __init__(self, page: str = "") -> None:
        self._page = page
        self._rules: Rules | None = None
        self._known: Memo[tuple[object, ...], Headers] = Memo()

    def of(self, rules: Rules, decision: Decision, caller: Caller, origin: Origin, at: int) -> Headers:
        """Headers, for a decision that warns; none where nothing is announced."""
        target, account = decision.open_to[0], caller.account

        def judge(instant: int) -> Verdict:
            return rules.judge(target.provider, target.model, origin, account, instant)

        return self._of(rules, ("target", str(target)), judge, account, origin, at)

    def of_product(
        self, rules: Rules, product: str, origin: Origin, account: Account, at: int, model: str = ""
    ) -> Headers:
        """The same for a product, as `openai/chatgpt`, that others serve."""

        def judge(instant: int) -> Verdict:
            return rules.judge_product(product, origin, account, instant, model)

        return self._of(rules, ("product", product, model), judge, account, origin, at)

    def _of(
        self, rules: Rules, what: tuple[str, ...], judge: Judge, account: Account, origin: Origin, at: int
    ) -> Headers:
        if rules is not self._rules:
            self._rules, self._known = rules, Memo()
        place = (origin.territory, origin.certainty, rules.part(origin), origin.network)
        key = (what, place, rules.standing(account, at), rules.stretch(at))
        known = self._known.get(key)
        if known is None:
            block = next(
                (change for change in ahead(rules, judge, account, at) if change.verdict.effect == "block"), None
            )
            known = self._known.keep(key, self._told(rules, what, block) if block else [])
        return known

    def _told(self, rules: Rules, what: tuple[str, ...], block: Ahead) -> Headers:
        date = datetime.fromtimestamp(block.at // SECOND, UTC)
        local = date.astimezone(ZoneInfo(block.zone)).isoformat()
        name = quote(block.verdict.policy, safe="/ ")
        notice = f'block;from="{local}";policy="{name}";{what[0]}="{quote(what[1], safe="/")}"'
        headers = [
            (b"sunset", format_datetime(date, usegmt=True).encode()),
            (b"gapura-notice", notice.encode()),
            (b"cache-control", b"private"),
        ]
        if page := self._page or _source(rules, block.verdict.policy):
            headers.append((b"link", f'<{page}>; rel="sunset"'.encode()))
        return headers


def _source(rules: Rules, name: str) -> str:
    sources = (policy.pack.source for policy in rules.book.policies if policy.name == name)
    return next((source for source in sources if source.startswith("https://") and source.isascii()), "")
