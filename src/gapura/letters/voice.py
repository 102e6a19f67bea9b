"""How one language says a thing: its texts, and dates, numbers and names of places as Unicode CLDR has them.

A date that somebody's access hangs on is written out, with the hour in 24 (12 o'clock at night is ambiguous in half of
the world), the zone by name, its offset, and the same instant in UTC.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from babel import dates, lists, numbers

from gapura.letters.catalogue import COUNT, Catalogue
from gapura.settings import BadSetting

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMED = 3
"""How many places a sentence names; the rest is counted, and listed below."""


class Voice:
    """One language.  Times are UTC microseconds, zones IANA names."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.language, self.locale = catalogue.language, catalogue.locale
        self.direction = catalogue.locale.text_direction
        self._texts = {name: text for name, text in catalogue.texts.items() if isinstance(text, str)}
        self._plurals = {name: forms for name, forms in catalogue.texts.items() if not isinstance(forms, str)}
        # All letters of a campaign have the same few dates; they are asked for more than once in each.
        self.moment = lru_cache(4_096)(self._moment)
        self.day = lru_cache(16_384)(self._day)

    def say(self, name: str, /, **values: str) -> str:
        return self._texts[name].format_map(values)

    def count(self, name: str, number: int, /, **values: str) -> str:
        """The form of the text that this number takes."""
        return self._plurals[name][self.locale.plural_form(number)].format_map({**values, COUNT: self.number(number)})

    def number(self, number: int) -> str:
        return numbers.format_decimal(number, locale=self.locale)

    def territory(self, code: str) -> str:
        """The name, or the code where the language has none for it."""
        return str(self.locale.territories.get(code, code))

    def listed(self, parts: Iterable[str]) -> str:
        return lists.format_list(list(parts), locale=self.locale)

    def places(self, codes: Iterable[str]) -> str:
        names = [self.territory(code) for code in dict.fromkeys(codes)]
        if not names:
            return self.say("places.none")
        if len(names) <= NAMED:
            return self.listed(names)
        return self.count("places.more", len(names) - NAMED, places=self.say("places.comma").join(names[:NAMED]))

    def _day(self, at: int, zone: str) -> str:
        return dates.format_date(local(at, zone), "long", locale=self.locale)

    def _moment(self, at: int, zone: str) -> str:
        """With the reader's zone and UTC; once where they are the same."""
        utc = self._clock(at, "UTC")
        return utc if zone == "UTC" else self.say("time.also_utc", local=self._clock(at, zone), utc=utc)

    def _clock(self, at: int, zone: str) -> str:
        when = local(at, zone)
        day, time = dates.format_date(when, "long", locale=self.locale), f"{when:%H:%M}"
        if zone == "UTC":
            return f"{day} {time} UTC"
        name = dates.get_timezone_name(when, locale=self.locale)
        offset = f"{when:%z}"
        return self.say("time.moment", date=day, time=time, zone=name, offset=f"UTC{offset[:3]}:{offset[3:]}")


@lru_cache(1_024)
def is_zone(zone: str) -> bool:
    try:
        return bool(zone) and dates.get_timezone(zone) is not None
    except (LookupError, ValueError):
        return False


def local(at: int, zone: str) -> datetime:
    """Raises BadSetting for a zone that is none."""
    try:
        return (EPOCH + timedelta(microseconds=at)).astimezone(dates.get_timezone(zone))
    except LookupError:
        raise BadSetting(f"{zone!r} is no time zone, as Asia/Shanghai") from None


def days_between(earlier: int, later: int, zone: str) -> int:
    """Midnights between two instants, as somebody in the zone counts days."""
    return (local(later, zone).date() - local(earlier, zone).date()) // timedelta(days=1)
