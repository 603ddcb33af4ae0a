"""The public key under which browsers and SDKs encrypt card details: open to everybody, from any origin."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ledger import clock
from ledger.errors import DomainError
from payments.api.renderings import instant
from payments.services.methods import encryption_keys
from vendors.api.errors import problem_of
from vendors.api.rendering import JSON_TYPE, to_bytes

KEPT_SECONDS: Final = 300  # far less than the time of grace


@require_safe
def encryption_key(request: HttpRequest) -> HttpResponse:
    """Show the key that is to be used now, and until when."""
    try:
        found = encryption_keys.published(clock.now())
    except DomainError as error:
        return problem_of(error).response()
    body: dict[str, Any] = {
        "object": "encryption_key",
        "id": found.id,
        "algorithm": found.algorithm,
        "public_key": found.public_key,
        "expires_at": instant(found.expires_at),
        "usable_until": instant(found.usable_until),
    }
    response = HttpResponse(to_bytes(body), content_type=JSON_TYPE)
    response["Access-Control-Allow-Origin"] = "*"  # it is public, and carries no cookie
    response["Cache-Control"] = f"public, max-age={KEPT_SECONDS}"
    return response
