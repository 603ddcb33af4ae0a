"""The moment that a page is asked to show; nothing asked means now."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class AsOf:
    """What stands in the form: the moment (UTC), its text, and what is wrong with it."""

    moment: datetime | None
    text: str = ""
    error: str = ""

    @classmethod
    def asked(cls, request: HttpRequest) -> "AsOf":
        """Read the parameter `at`; a text that is no moment is shown again with what to do."""
        text = request.GET.get("at", "").strip()[:32]
        if not text:
            return cls(None)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return cls(None, text, "Give a date and a time, for example 2026-11-21T10:30.")
        return cls(moment if moment.tzinfo else moment.replace(tzinfo=UTC), text)
