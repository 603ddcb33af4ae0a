"""Content negotiation of an API that speaks JSON only: accept it, or be told 406."""

from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

_WELCOME = frozenset({"*/*", "application/*", "application/json", "application/problem+json"})


class JsonOnly(BaseContentNegotiation):
    """Choose the one parser and the one renderer."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the JSON parser when the body says that it is JSON, else None (415)."""
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return parsers[0] if kind == parsers[0].media_type else None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the JSON renderer.

        :raises NotAcceptable: the caller accepts something else only.
        """
        accepted = request.META.get("HTTP_ACCEPT") or "*/*"
        kinds = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
        if kinds.isdisjoint(_WELCOME):
            raise NotAcceptable
        return renderers[0], renderers[0].media_type
