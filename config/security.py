"""Response headers that Django has no setting for: the content security policy.

Everything is served by ourselves. The admin theme and the API browser need inline styles and scripts
(Alpine's expressions, Swagger's start-up), so those are allowed there and nowhere else; the API itself
allows nothing.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_PAGES = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_NOTHING = "default-src 'none'; frame-ancestors 'none'"


class ContentSecurityPolicy:
    """Adds the policy that fits the path, and keeps answers of the API out of caches."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with the policy in the answer's header."""
        response = self.get_response(request)
        is_api = request.path.startswith(("/api/v", "/webhooks/"))
        response.headers.setdefault("Content-Security-Policy", _NOTHING if is_api else _PAGES)
        if is_api:
            response.headers.setdefault("Cache-Control", "no-store")
        return response
