"""Make staff and give them roles: the admin edits nothing, so this is the only way, and it is audited.

manage.py staff add irene --role risk --role support     (the password is read from the terminal or stdin)
manage.py staff disable irene --reason "left"
"""

import getpass
import sys
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.roles import ROLES
from ledger import audit, clock
from ledger.actors import Actor, operator_actor
from ledger.locks import phase


class Command(BaseCommand):
    """Add staff, change their roles, disable them."""

    help = "Add staff with roles, or disable them; each act is audited."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=["add", "disable"])
        parser.add_argument("username")
        parser.add_argument("--role", action="append", default=[], choices=[role.name for role in ROLES])
        parser.add_argument("--reason", default="by the operator")

    def handle(self, *args: Any, **options: Any) -> None:
        name, roles, reason = options["username"], options["role"], options["reason"]
        if options["act"] == "add":
            add_staff(name, roles, _password(), reason)
        else:
            disable_staff(name, reason)
        self.stdout.write(f"{name}: {options['act']} done")


def add_staff(username: str, roles: list[str], password: str, reason: str) -> User:
    """Make a member of staff, or give an existing one these roles and this password."""
    try:
        validate_password(password)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    with phase():
        user, is_new = User.objects.get_or_create(username=username)
        before = {"roles": sorted(user.groups.values_list("name", flat=True)), "is_active": user.is_active}
        user.is_staff = user.is_active = True
        user.set_password(password)
        user.save(update_fields=["is_staff", "is_active", "password"])
        user.groups.set(Group.objects.filter(name__in=roles))
        after = {"username": username, "roles": sorted(roles)}
        audit.record(
            actor=operator(),
            action="staff.added",
            subject=user,
            at=clock.now(),
            reason=reason,
            before={} if is_new else before,
            after=after,
        )
    return user


def disable_staff(username: str, reason: str) -> None:
    """Refuse a member of staff from now on; the row stays, because records name it.

    :raises CommandError: there is no such person.
    """
    with phase():
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"there is nobody called {username}")
        user.is_active = False
        user.save(update_fields=["is_active"])
        roles = sorted(user.groups.values_list("name", flat=True))
        user.groups.clear()
        audit.record(
            actor=operator(), action="staff.disabled", subject=user, at=clock.now(), reason=reason,
            before={"roles": roles, "is_active": True}, after={"roles": [], "is_active": False},
        )  # fmt: skip


def operator() -> Actor:
    """Return who runs this command on the machine."""
    return operator_actor(getpass.getuser())


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("password: ")
    return sys.stdin.readline().rstrip("\n")
