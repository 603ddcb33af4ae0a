"""Staff roles as one table: what each may see and do. Groups and permissions are written after each migrate.

Everything not listed is refused. Nobody may add, change or delete anything; acts are reasoned actions, each
with a permission of its own, checked on its page and by its POST. A person may hold several roles; what
needs two persons is a rule of the service, not of a role.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS

ACTS: Final = {
    "fraud.decide_review": ("fraudreview", "May approve and decline fraud reviews"),
    "fraud.keep_lists": ("listentry", "May end entries of block and allow lists"),
    "payments.decide_refund": ("refund", "May approve and reject refunds"),
    "payments.decide_large_refund": ("refund", "May approve and reject refunds that need a senior person"),
    "payments.answer_dispute": ("dispute", "May add evidence to disputes, challenge and accept them"),
    "payments.decide_unknown": ("provideroperation", "May decide on held and contradicted operations"),
    "payments.keep_routes": ("routingpolicy", "May write merchants' routing policies"),
    "payments.lift_retry_limit": ("retrystanding", "May let a card be tried again that the schemes forbid"),
    "payments.keep_webhooks": ("providerwebhook", "May retry and ignore providers' messages"),
    "settlements.resolve_break": ("break", "May resolve breaks of the reconciliation"),
    "vendors.keep_merchant": ("merchant", "May set where merchants get notices"),
    "vendors.suspend_merchant": ("merchant", "May suspend and reinstate merchants"),
    "vendors.suspend_vendor": ("vendor", "May suspend and reinstate vendors"),
    "vendors.revoke_key": ("apikey", "May revoke API keys"),
    "ledger.decide_alert": ("amlalert", "May decide on alerts against money laundering"),
    "ledger.close_account": ("account", "May close accounts and open them again"),
    "ledger.set_retention": ("retentionpolicy", "May decide how long records are kept"),
    "ledger.place_hold": ("legalhold", "May place legal holds"),
    "ledger.lift_hold": ("legalhold", "May lift legal holds"),
    "ledger.keep_fx": ("fxtablerate", "May set and end rates and spreads of exchange"),
    "ledger.decide_restoration": ("restoration", "May propose, approve and reject restorations"),
    "ledger.retry_dead": ("outboxmessage", "May give dead messages their tries again"),
}
"""Permission of each reasoned action: the model it belongs to and what it allows."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a role may see (`app.*` or `app.model`) and do (names of ACTS)."""

    name: str
    is_for: str
    sees: tuple[str, ...]
    does: tuple[str, ...] = ()


_PAYMENTS: Final = ("payments.*", "fraud.fraudcheck", "fraud.fraudreview")
_EXCHANGE: Final = (
    "ledger.exchangerate",
    "ledger.fxtablerate",
    "ledger.fxspread",
    "ledger.fxquote",
    "ledger.fxconversion",
    "ledger.fxunwind",
    "ledger.fxexposure",
)
_PARTIES: Final = ("vendors.merchant", "vendors.vendor", "vendors.commissionrule")

ROLES: Final = (
    Role(
        "support",
        "answers merchants and customers: sees payments and their story, changes nothing",
        (*_PAYMENTS, *_PARTIES, "subscriptions.*", "ledger.event"),
    ),
    Role(
        "finance",
        "settles, reconciles and approves refunds",
        (
            *_PAYMENTS,
            *_PARTIES,
            "settlements.*",
            "subscriptions.*",
            "ledger.account",
            "ledger.transfer",
            "ledger.hold",
            "ledger.amlalert",
            "ledger.journalentry",
            "ledger.event",
            "ledger.sealblock",
            "ledger.sealcheck",
            "ledger.invariantviolation",
            "ledger.invariantrun",
            "ledger.restoration",
            *_EXCHANGE,
        ),
        (
            "payments.decide_refund",
            "payments.decide_unknown",
            "payments.keep_routes",
            "payments.keep_webhooks",
            "payments.lift_retry_limit",
            "settlements.resolve_break",
            "ledger.close_account",
            "ledger.keep_fx",
            "ledger.decide_restoration",
        ),
    ),
    Role(
        "finance_lead",
        "approves the refunds that are too large for finance alone",
        (*_PAYMENTS, *_PARTIES, "ledger.event"),
        ("payments.decide_refund", "payments.decide_large_refund"),
    ),
    Role(
        "disputes",
        "answers disputes: evidence, challenge, acceptance",
        (*_PAYMENTS, *_PARTIES, "ledger.event"),
        ("payments.answer_dispute",),
    ),
    Role(
        "risk",
        "decides fraud reviews and alerts against money laundering, and keeps the lists",
        (
            "fraud.*",
            "payments.*",
            *_PARTIES,
            "ledger.event",
            "ledger.transfer",
            "ledger.hold",
            "ledger.amlalert",
        ),
        (
            "fraud.decide_review",
            "fraud.keep_lists",
            "payments.lift_retry_limit",
            "vendors.suspend_merchant",
            "vendors.suspend_vendor",
            "ledger.decide_alert",
        ),
    ),
    Role(
        "auditor",
        "sees everything, changes nothing",
        (
            "ledger.*",
            "vendors.*",
            "fraud.*",
            "payments.*",
            "settlements.*",
            "subscriptions.*",
            "auth.user",
            "auth.group",
            "django_celery_beat.*",
        ),
    ),
    Role(
        "admin",
        "keeps the platform: keys, vendors, dead messages; decides nothing about money",
        ("ledger.*", "vendors.*", "payments.*", "fraud.*", "auth.user", "auth.group", "django_celery_beat.*"),
        (
            "vendors.revoke_key",
            "vendors.keep_merchant",
            "vendors.suspend_merchant",
            "vendors.suspend_vendor",
            "ledger.retry_dead",
            "payments.keep_webhooks",
            "ledger.set_retention",
            "ledger.place_hold",
            "ledger.lift_hold",
        ),
    ),
)


def write_roles(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Hear that a migration is over."""
    sync(using)


def sync(using: str = DEFAULT_DB_ALIAS) -> dict[str, Any]:
    """Make groups and their permissions equal to the table; return the groups by name."""
    from django.contrib.auth.models import Group, Permission
    from django.contrib.contenttypes.models import ContentType

    types = {
        (kind.app_label, kind.model): kind
        for kind in ContentType.objects.db_manager(using)
        .get_for_models(*apps.get_models(include_auto_created=True))
        .values()
    }
    for name, (model, sentence) in ACTS.items():
        app, _dot, codename = name.partition(".")
        Permission.objects.using(using).update_or_create(
            content_type=types[app, model], codename=codename, defaults={"name": sentence}
        )
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.using(using).select_related("content_type")
    }
    groups = {}
    for role in ROLES:
        group, _created = Group.objects.using(using).get_or_create(name=role.name)
        group.permissions.set([known[name] for name in permissions_of(role)])
        groups[role.name] = group
    return groups


def permissions_of(role: Role) -> Iterable[str]:
    """Return the full names of a role's permissions."""
    names = []
    for seen in role.sees:
        app, _, model = seen.partition(".")
        models = [apps.get_model(app, model)] if model != "*" else apps.get_app_config(app).get_models()
        names += [f"{app}.view_{one._meta.model_name}" for one in models]
    return sorted({*names, *role.does})
