"""Where providers call us: the raw bytes are verified and kept, the answer is at once, a job applies it."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ledger import clock
from ledger.actors import current_request
from ledger.errors import DomainError
from payments.providers.errors import BadSignature
from payments.services.webhooks import refusing, webhook_intake
from vendors.api import throttle
from vendors.api.errors import Problem, problem_of
from vendors.api.rendering import JSON_TYPE, to_bytes

BODY_BYTES_MAX: Final = 64 * 1024


@csrf_exempt
@require_POST
def provider_webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Take a provider's message: 200 when it is kept, 401 when its signature is wrong, 429 when too often."""
    try:
        raw_body = request.read(BODY_BYTES_MAX + 1)
    except (RequestDataTooBig, UnreadablePostError):
        return Problem(400, "body_unreadable", "the body could not be read to its end").response()
    if len(raw_body) > BODY_BYTES_MAX:
        return Problem(413, "body_too_large", f"the body is larger than {BODY_BYTES_MAX} bytes").response()
    headers = {name.lower(): value for name, value in request.headers.items()}
    at, source = clock.now(), refusing.source_of(current_request().ip)
    try:
        webhook_intake.receive(provider, headers, raw_body, at, source=source)
    except BadSignature as error:
        return _refuse(provider, source, headers, raw_body, error, at)
    except DomainError as error:
        return problem_of(error).response()
    return HttpResponse(to_bytes({"received": True}), content_type=JSON_TYPE)


def _refuse(
    provider: str, source: str, headers: Mapping[str, str], raw_body: bytes, error: BadSignature, at: datetime
) -> HttpResponse:
    """Keep evidence of it while its source and its provider are within their rate; else only count it."""
    for bucket, rate in ((f"{provider}:{source}", "source"), (provider, "provider")):
        limit = throttle.Limit(**settings.REFUSED_CALLBACK_RATES[rate])
        verdict = throttle.shared().take(f"refused_callback:{bucket}", limit)
        if not verdict.is_allowed:
            refusing.count(provider, source)
            pause = {"Retry-After": str(max(1, math.ceil(verdict.retry_after_seconds)))}
            detail = "too many callbacks that nobody can verify"
            return Problem(429, "rate_limited", detail, retryable=True, headers=pause).response()
    refusing.keep(
        provider=provider,
        source=source,
        headers=webhook_intake.headers_kept(headers),
        raw_body=raw_body,
        error=error,
        at=at,
    )
    return Problem(401, error.code, error.message, fault=error.fault).response()
