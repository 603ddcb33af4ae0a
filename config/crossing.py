"""Two lanes for requests: pages go through all that a page needs, the API's through what the API needs.

A request of the API, or of a provider, has no session, no cookie, no message, no static file; to find that
out in each middleware takes a fifth of the time of a read. `Crossing` stands before those of the pages and
`Junction` behind the last of all: what `Crossing` sees of the API it hands to what `Junction` stands before.
"""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config.security import OF_THE_API, is_of_the_api

Handler = Callable[[HttpRequest], HttpResponseBase]


class Junction:
    """Where both lanes meet again, before the view."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        _views.append(get_response)  # made before its Crossing: Django makes the last middleware first

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let the request of a page pass."""
        return self.get_response(request)


class Crossing:
    """Sends requests of the API past the middleware of pages, and says itself what all answers say."""

    def __init__(self, get_response: Handler) -> None:
        self._pages = get_response
        self._view = _views.pop()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request by its lane.

        :raises DisallowedHost: it was sent to a name that is not ours.
        """
        if not is_of_the_api(request.path):
            return self._pages(request)
        request.get_host()
        response = self._view(request)
        headers = response.headers
        for name, value in OF_THE_API.items():
            if name not in headers:  # `setdefault` asks twice, and by an exception
                headers[name] = value
        headers["X-Frame-Options"] = settings.X_FRAME_OPTIONS
        if isinstance(response, HttpResponse) and "Content-Length" not in headers:
            headers["Content-Length"] = str(len(response.content))
        return response


_views: Final[list[Handler]] = []
