"""Who of the staff came in, was refused, or left: each leaves a record (PCI DSS 10.2.1.4, 10.2.1.5).

A name that nobody has is not kept: people type their password into the wrong field.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.forms import AuthenticationForm

from ledger import audit, clock
from ledger.actors import Actor, current_request, set_request, staff_actor
from ledger.locks import phase

NOBODY = Actor("staff", "unknown")
View = Callable[..., HttpResponse]


class StaffLogin(AuthenticationForm):
    """The login form of the admin; both its answers are audited."""

    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            name = self.cleaned_data.get("username", "")
            note(User.objects.filter(username=name).first(), "staff.login_refused", outcome="refused")
            raise
        note(self.get_user(), "staff.logged_in")
        return cleaned


def tells_refusals(view: View) -> View:
    """Let every 403 that a member of staff meets leave a record."""

    @functools.wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except PermissionDenied:
            if request.user.is_authenticated:
                asked = {"request": f"{request.method} {request.path}"[:200]}
                note(request.user, "access.refused", outcome="refused", after=asked)
            raise

    return told


def note(user: Any, action: str, *, outcome: str = "done", after: Mapping[str, str] | None = None) -> None:
    """Record what happened to a member of staff at the door; `user` is None for somebody unknown."""
    with phase():
        if user is None:
            audit.record_one(
                audit.Act(
                    NOBODY, action, "auth.user", "unknown", clock.now(), outcome=outcome, after=after or {}
                )
            )
            return
        roles = ",".join(sorted(user.groups.values_list("name", flat=True)))
        set_request(replace(current_request(), role=roles[:60] or ("superuser" if user.is_superuser else "")))
        audit.record(
            actor=staff_actor(user.pk, user.get_username()), action=action, subject=user, at=clock.now(),
            outcome=outcome, before={}, after=after or {},
        )  # fmt: skip
