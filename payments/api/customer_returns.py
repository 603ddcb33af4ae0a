"""Where a payer comes back from a provider's page, on his way to the merchant's; no account is needed.

What stands in the address is anybody's word: it is handed to the provider, who alone says what it is worth.
"""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from ledger import clock, ids
from ledger.errors import DomainError
from payments.models import ProviderOperation
from payments.services.calls import returning
from vendors.api.errors import Problem, problem_of

DONE: Final = "Thank you. Your payment is being looked at; you can close this page."


@never_cache
@require_GET
def customer_return(request: HttpRequest, operation: str) -> HttpResponse:
    """Take a payer back from a provider's page: 303 to the merchant's page, or a line of text without one."""
    try:
        operation_id = ids.parse(ProviderOperation.PREFIX, operation)
        page = returning.come_back(operation_id, request.GET.dict(), clock.now())
    except ids.BadId:
        return Problem(404, "not_found", "there is nothing to come back to").response()
    except DomainError as error:
        return problem_of(error).response()
    if not page:
        return HttpResponse(DONE, content_type="text/plain; charset=utf-8")
    return HttpResponse(status=303, headers={"Location": page, "Referrer-Policy": "no-referrer"})
