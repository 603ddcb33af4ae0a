"""Where providers call us: the raw bytes are verified and kept, the answer is at once, a job applies it."""

from typing import Final

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ledger import clock
from ledger.errors import DomainError
from payments.providers.errors import BadSignature
from payments.services import webhook_intake
from vendors.api.errors import Problem, problem_of
from vendors.api.rendering import JSON_TYPE, to_bytes

BODY_BYTES_MAX: Final = 64 * 1024


@csrf_exempt
@require_POST
def provider_webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Take a provider's message: 200 when it is kept, 401 when its signature is wrong."""
    try:
        raw_body = request.read(BODY_BYTES_MAX + 1)
    except (RequestDataTooBig, UnreadablePostError):
        return Problem(400, "body_unreadable", "the body could not be read to its end").response()
    if len(raw_body) > BODY_BYTES_MAX:
        return Problem(413, "body_too_large", f"the body is larger than {BODY_BYTES_MAX} bytes").response()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        webhook_intake.receive(provider, headers, raw_body, clock.now())
    except BadSignature as error:
        return Problem(401, error.code, error.message).response()
    except DomainError as error:
        return problem_of(error).response()
    return HttpResponse(to_bytes({"received": True}), content_type=JSON_TYPE)
