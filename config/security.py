"""Response headers that Django has no setting for: the content security policy.

Everything is served by ourselves. The admin theme and the API browser need inline styles and scripts
(Alpine's expressions, Swagger's start-up), so those are allowed there and nowhere else; the API itself
allows nothing.
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

_PAGES = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# Answers of the API allow nothing, and are kept out of caches.
OF_THE_API: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def is_of_the_api(path: str) -> bool:
    """Say whether programs ask for this path, not browsers: the API and what providers call."""
    return path.startswith(("/api/v", "/webhooks/"))


class ContentSecurityPolicy:
    """Adds the policy of pages to them; the API's lane adds its own (`config.crossing`)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with the policy in the answer's header."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", _PAGES)
        return response
