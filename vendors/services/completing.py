"""Drive on the requests that nobody finished: their worker was killed, or what they needed was away.

A request is served again by its own view, from the stored body, for the key that sent it, under a lease
taken over here; its `effect_id` lets it find what the first run left. The view is found by its path, so this
file needs to know no controller.
"""

import logging
from datetime import datetime
from io import BytesIO
from typing import Final

from django.core.handlers.wsgi import WSGIRequest
from django.urls import Resolver404, resolve

from ledger.actors import RequestContext, set_request
from vendors.models import IdempotencyKey
from vendors.services import idempotency
from vendors.services.idempotency import Claim

AT_ONCE: Final = 20


class ResumedRequest(WSGIRequest):
    """A request that we drive on; the front desk knows it by its claim."""

    resumed_claim: Claim


_log = logging.getLogger("everycent.api")


def complete_unfinished(at: datetime, limit: int = AT_ONCE) -> int:
    """Serve again at most `limit` requests whose lease is over and that are older than 30 s.

    Returns how many have their answer now; the others are tried again after a growing pause.
    """
    answered = 0
    for row in idempotency.unfinished(at, limit):
        claimed = idempotency.take_over(row.pk, at)
        if claimed is None:
            continue  # its sender came back just now
        status = _serve(row, claimed)
        idempotency.let_go(claimed, at)  # writes nothing when the request has its answer
        is_answered = IdempotencyKey.objects.filter(pk=row.pk, finished_at__isnull=False).exists()
        answered += is_answered
        write = _log.info if is_answered else _log.warning
        write("request driven on", extra={"route": row.route, "status": status, "tries": claimed.tries})
    return answered


def _serve(row: IdempotencyKey, claimed: Claim) -> int:
    try:
        match = resolve(row.path)
    except Resolver404:
        _log.error("an unfinished request has no route any more", extra={"route": row.route})
        return 404
    body = bytes(row.request_body or b"")
    request = ResumedRequest(
        {
            "REQUEST_METHOD": row.method,
            "PATH_INFO": row.path.encode().decode("latin-1"),  # as WSGI carries it (PEP 3333)
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_IDEMPOTENCY_KEY": row.key,
            "HTTP_EVERYCENT_VERSION": row.api_version,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": "http",
        }
    )
    request.resolver_match = match
    request.resumed_claim = claimed
    set_request(RequestContext(request_id=f"resumed_{row.pk.hex}"))
    try:
        return int(match.func(request, *match.args, **match.kwargs).status_code)
    finally:
        set_request(RequestContext())
