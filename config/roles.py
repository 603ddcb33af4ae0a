"""Staff roles as one table: who may see what, and which reasoned actions of which app they may take.

Every role sees every page (nothing can be edited there); what differs is the acts, which each app declares as
permissions of its own. An act that needs a second person is a state of the domain, not a matter of roles.
"""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

APPS = ("ledger", "vendors", "fraud", "payments", "subscriptions", "settlements")

# role -> apps whose reasoned actions it may take
ROLES: dict[str, tuple[str, ...]] = {
    "support": ("fraud", "payments"),
    "finance": ("payments", "settlements", "ledger"),
    "auditor": (),
}


def sync() -> dict[str, Group]:
    """Bring the groups of the database in line with the table; return them by name."""
    groups = {}
    ours = Permission.objects.filter(content_type__app_label__in=APPS)
    views = ours.filter(codename__startswith="view_")
    edits = (
        Q(codename__startswith="add_") | Q(codename__startswith="change_") | Q(codename__startswith="delete_")
    )
    acts = ours.exclude(edits | Q(codename__startswith="view_"))
    for role, apps in ROLES.items():
        groups[role], _ = Group.objects.get_or_create(name=role)
        groups[role].permissions.set([*views, *acts.filter(content_type__app_label__in=apps)])
    return groups
