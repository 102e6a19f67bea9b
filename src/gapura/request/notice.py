"""What a caller is told beside the answer: from when there will be none, by which policy, and where to read on.

It is for callers whom a policy warns, and for accounts that a campaign has told of a date (`Account.notices`).
`Sunset` (RFC 8594) and `Deprecation` (RFC 9745) speak of a resource, and here of this resource to this caller: hence
`Cache-Control: private`.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from gapura.clock import SECOND, text
from gapura.rulebook.ahead import Ahead, ahead
from gapura.rulebook.compile import Memo, Rules
from gapura.rulebook.weigh import phase_in_force, released
from gapura.terms.caller import Account, Caller, Notice
from gapura.terms.place import Origin
from gapura.terms.verdict import Decision, Verdict

Headers = list[tuple[bytes, bytes]]
Judge = Callable[[int], Verdict]


class Notices:
    """`page`: where the operator tells its customers more; "": what the list itself was taken from.  `status`: where an
    account sees its own case; "": nowhere."""

    def __init__(self, page: str = "", status: str = "") -> None:
        self._page, self._status = page, status
        self._rules: Rules | None = None
        self._known: Memo[tuple[object, ...], Headers] = Memo()

    def of(self, rules: Rules, decision: Decision, caller: Caller, origin: Origin, at: int) -> Headers:
        """Headers, for a decision that serves; none where nothing is announced."""
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
        ahead_of = tuple(
            one for one in account.notices if at < one.effective_at and not one.silent and not _is_over(account, one)
        )
        key = (what, place, rules.standing(account, at), rules.stretch(at), ahead_of)
        known = self._known.get(key)
        if known is None:
            block = next(
                (change for change in ahead(rules, judge, account, at) if change.verdict.effect == "block"), None
            )
            told = self._told(rules, what, block, ahead_of, at) if block or ahead_of else []
            known = self._known.keep(key, told)
        return known

    def _told(
        self, rules: Rules, what: tuple[str, ...], block: Ahead | None, notices: tuple[Notice, ...], at: int
    ) -> Headers:
        policy = block.verdict.policy if block else notices[0].policy
        members = [
            *_block(what, block, notices),
            *(_other(one) for one in notices if not block or one.policy != policy),
        ]
        headers = [(b"gapura-notice", ", ".join(members).encode()), (b"cache-control", b"private")]
        ends = [one.effective_at for one in notices if one.effect == "suspend"] + ([block.at] if block else [])
        if ends:
            headers.append((b"sunset", format_datetime(_date(min(ends)), usegmt=True).encode()))
            if since := _since(rules, policy, notices, at):
                headers.append((b"deprecation", f"@{since // SECOND}".encode()))
        links = {"sunset": self._page or _source(rules, policy), "deprecation": self._status}
        if link := ", ".join(f'<{page}>; rel="{relation}"' for relation, page in links.items() if page):
            headers.append((b"link", link.encode()))
        return headers


def _is_over(account: Account, notice: Notice) -> bool:
    """What it was told does not befall it any more."""
    return bool(account.lifted) and released(account, notice.policy, notice.effective_at)


def _block(what: tuple[str, ...], block: Ahead | None, notices: tuple[Notice, ...]) -> Iterator[str]:
    """What the rules say of this request, and which notice has said so to this account."""
    if block is not None:
        policy = block.verdict.policy
        local = _date(block.at).astimezone(ZoneInfo(block.zone)).isoformat()
        of = "".join(_telling(one) for one in notices if one.policy == policy)
        yield f'block;from="{local}";policy="{_quoted(policy)}";{what[0]}="{quote(what[1], safe="/")}"{of}'


def _other(notice: Notice) -> str:
    """What is ahead of the account, and not of this request."""
    told = f'{notice.effect};from="{text(notice.effective_at)}";policy="{_quoted(notice.policy)}"'
    return told + _telling(notice)


def _telling(notice: Notice) -> str:
    return f';campaign="{notice.campaign}";notice="{notice.id}";stage="{_quoted(notice.stage)}"'


def _quoted(name: str) -> str:
    return quote(name, safe="/ +")


def _date(at: int) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC)


def _since(rules: Rules, name: str, notices: tuple[Notice, ...], at: int) -> int:
    """When it was announced: to the account, or else to everybody; 0: not that we know."""
    if notices:
        return min(one.at for one in notices)
    phases = (phase_in_force(policy, at) for policy in rules.book.policies if policy.name == name)
    return next((phase.starts for phase in phases if phase and phase.effect in {"warn", "review"}), 0)


def _source(rules: Rules, name: str) -> str:
    sources = (policy.pack.source for policy in rules.book.policies if policy.name == name)
    return next((source for source in sources if source.startswith("https://") and source.isascii()), "")
