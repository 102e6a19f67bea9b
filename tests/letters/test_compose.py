"""What a letter says, in each language and for each kind, as its reader gets it."""

import email
import email.policy
from email.message import EmailMessage

import msgspec
import pytest
from tests.letters.writing import SENDER, letter, texts

from gapura.clock import instant
from gapura.letters import BadAddress, BadLetter, compose
from gapura.terms.letter import Letter


def told(written: Letter) -> str:
    """The text, its lines joined, as somebody reads it."""
    return " ".join(compose(written, SENDER, texts()).text.split())


def parsed(written: Letter) -> EmailMessage:
    message = email.message_from_bytes(compose(written, SENDER, texts()).message, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


FACTS = {
    "en": ("July 9, 2024, 00:00", "China Standard Time, UTC+08:00", "July 8, 2024 16:00 UTC", "12,000 requests on 17"),
    "zh-Hans": ("2024年7月9日 00:00", "中国标准时间，UTC+08:00", "2024年7月8日 16:00 UTC", "17 天内共 12,000 次请求"),
    "id": ("9 Juli 2024, pukul 00:00", "UTC+08:00", "8 Juli 2024 16:00 UTC", "12.000 permintaan dalam 17 hari"),
}  # fmt: skip
EVERYWHERE = (
    "org-4711", "gp-0Kq7", "gp-9Xz2", "production", "203.0.113.0/24", "2001:db8::/48", "openai/api",
    "Alibaba Cloud Qwen",
    "https://gateway.example.com/v1", "qwen-plus", "unsupported_country_region_territory", "cmp_2024", "T-14",
    "https://gateway.example.com/appeal/abc", "https://gateway.example.com/status/abc",
    "https://platform.openai.com/docs/supported-countries",
)  # fmt: skip


@pytest.mark.parametrize("language", FACTS)
def test_a_notice_says_what_when_why_and_the_way_on(language: str) -> None:
    text = told(letter(language=language))
    squeezed = text.replace(" ", "")  # a line of Chinese may break within a date
    assert [fact for fact in (*FACTS[language], *EVERYWHERE) if fact.replace(" ", "") not in squeezed] == []


def test_a_change_of_the_clocks_moves_the_hour_and_not_the_instant() -> None:
    summer = told(letter(zone="Europe/Berlin"))
    assert "July 8, 2024, 18:00 (Central European Summer Time, UTC+02:00), which is July 8, 2024 16:00 UTC" in summer
    assert "From July 8, 2024 16:00 UTC, OpenAI API" in told(letter(zone="UTC"))


@pytest.mark.parametrize(
    ("written", "begin", "when"),
    [
        ("2024-06-25T09:00:00+08:00", "Action needed", "That is in 14 days."),
        ("2024-07-02T23:59:00+08:00", "Action needed", "That is in 7 days."),
        ("2024-07-08T00:00:00+08:00", "Tomorrow. Action needed", "That is tomorrow."),
        ("2024-07-09T00:00:00+08:00", "Today. Action needed", "That is today."),
        ("2024-07-10T00:00:00+08:00", "Action needed", ""),
    ],
)
def test_days_are_counted_as_the_reader_counts_them(written: str, begin: str, when: str) -> None:
    composed = compose(letter(written_at=instant(written)), SENDER, texts())
    assert composed.subject.startswith(begin)
    assert (when in " ".join(composed.text.split())) and ("That is" in composed.text) == bool(when)


KINDS = {
    "effective": "Since July 9, 2024",
    "correction": "That notice was an error.",
    "release": "is no longer concerned",
    "receipt": "has arrived",
    "decision": "do not grant it",
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_says_what_it_is_about(kind: str) -> None:
    text = told(letter(kind=kind, reason="You showed that\nthe server stands in Singapore."))
    assert KINDS[kind] in text
    assert "the server stands in Singapore." in text
    assert ("What you can do" in text) and ("https://gateway.example.com/status/abc" in text)
    assert ("appeal" in text) == (kind == "effective")


def test_a_granted_objection_and_a_promised_day_are_told() -> None:
    assert "grant it. The change" in told(letter(kind="decision", granted=True))
    by = instant("2024-07-05T18:00:00+08:00")
    assert "an answer by July 5, 2024, 18:00" in told(letter(kind="receipt", answer_by=by))


@pytest.mark.parametrize(
    ("effect", "said", "code"),
    [
        ("block", "will refuse requests that come from China", "unsupported_country_region_territory"),
        ("suspend", "your account org-4711 will be suspended", "account_suspended"),
        ("warn", "will be outside of what OpenAI supports", "Nothing is refused"),
    ],
)
def test_what_happens_on_the_day_is_told_as_programs_will_see_it(effect: str, said: str, code: str) -> None:
    text = told(letter(effect=effect))
    assert said in text and code in text


def test_only_shortened_networks_are_called_so() -> None:
    evidence = letter().evidence
    assert evidence is not None
    whole = msgspec.structs.replace(evidence, networks=("203.0.113.7",))
    assert "only its first part" in told(letter())
    assert "only its first part" not in told(letter(evidence=whole))


def test_the_same_letter_makes_the_same_bytes() -> None:
    one, two = (compose(letter(), SENDER, texts()) for _ in range(2))
    assert one == two and len(one.sha256) == 64
    assert compose(letter(stage="T-7"), SENDER, texts()).message_id != one.message_id


@pytest.mark.parametrize(
    ("asked", "languages", "written"),
    [
        ("zh-CN", ("en",), "zh-Hans"),
        ("zh-TW", ("en",), "en"),
        ("id-ID", ("en",), "id"),
        ("en-GB", ("zh-Hans",), "en"),
        ("", ("zh-Hans", "en"), "zh-Hans, en"),
        ("tlh", ("id",), "id"),
    ],
)
def test_a_letter_is_in_the_readers_language_or_in_all_of_the_senders(
    asked: str, languages: tuple[str, ...], written: str
) -> None:
    sender = msgspec.structs.replace(SENDER, languages=languages)
    message = email.message_from_bytes(compose(letter(language=asked), sender, texts()).message)
    assert message["Content-Language"] == written


def test_headers_say_what_it_is_and_where_answers_go() -> None:
    message = parsed(letter(name="李雷", language="zh-Hans"))
    assert message["From"] == "Example AI <notices@example.com>" and message["Reply-To"] == "help@example.com"
    assert message["To"] == "李雷 <li@example.com>" and "2024年7月9日" in message["Subject"]
    assert message["Auto-Submitted"] == "auto-generated" and message["List-Unsubscribe"] is None
    assert message["Date"] == "Tue, 25 Jun 2024 09:00:00 +0800" and message["Content-Language"] == "zh-Hans"
    composed = compose(letter(), SENDER, texts())
    assert (
        composed.message_id == f"<{composed.sender.removeprefix('bounces+').replace('@example.com', '')}@example.com>"
    )
    assert "cannot be unsubscribed from" in " ".join(composed.text.split())


@pytest.mark.parametrize("zone", ["Middle/Earth", "../etc/passwd", "UTC\r\n", "x" * 5_000, ""])
def test_a_zone_that_is_none_costs_nobody_the_notice(zone: str) -> None:
    assert "July 9, 2024, 00:00 (China Standard Time" in told(letter(zone=zone))


def test_without_an_address_for_bounces_they_come_to_the_sender() -> None:
    assert compose(letter(), msgspec.structs.replace(SENDER, bounces=""), texts()).sender == "notices@example.com"


@pytest.mark.parametrize(
    "to",
    ["", "li", "li@", "@example.com", "li@localhost", "li@a b.com", "a@b@c.com ", "li@-.com",
     "li@example.com\r\nBcc: x@example.com", "x" * 65 + "@example.com",
     "李 雷@example.com", "李\u2028@example.com", "李\x85@example.com", "李" * 22 + "@example.com",
     "李..雷@example.com"]
)  # fmt: skip
def test_an_address_that_mail_cannot_go_to_is_refused(to: str) -> None:
    with pytest.raises(BadAddress):
        compose(letter(to=to), SENDER, texts())


def test_a_domain_in_its_own_letters_is_sent_as_dns_has_it() -> None:
    assert "li@xn--55qx5d.cn" in str(parsed(letter(to="li@公司.cn"))["To"])


def test_a_link_that_is_none_is_refused_by_its_field() -> None:
    with pytest.raises(BadLetter, match=r"^appeal_url: expected a URL"):
        compose(letter(appeal_url="javascript:alert(1)"), SENDER, texts())
    with pytest.raises(BadLetter, match=r"^message_id: "):
        compose(letter(message_id="<a@b>\r\nBcc: x"), SENDER, texts())
