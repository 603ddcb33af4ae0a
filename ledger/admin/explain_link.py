"""Where an object is explained in the admin."""

from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse

from ledger.explain import registry

SEES_BOOKS: Final = "ledger.view_account"


def explain_link(request: HttpRequest, thing: Any) -> str:
    """Return the address at which an object is explained; empty when it is not, or not for this person."""
    if not request.user.has_perm(SEES_BOOKS):
        return ""
    try:
        return address_of(registry.ref_of(thing))
    except LookupError:
        return ""


def address_of(ref: str) -> str:
    """Return the address of the page of an id."""
    return reverse("admin:explain", args=[ref])
