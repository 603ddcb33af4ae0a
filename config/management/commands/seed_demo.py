"""`manage.py seed_demo`: the demo merchant, its API key and the staff of each role, made once.

What is secret is made by chance at the first start and kept in the data folder, readable by its owner only.
When the database is another one than last time, the missing part is made again. Refuses in production.
"""

import json
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from config import house, roles
from ledger import clock
from ledger.actors import SYSTEM
from ledger.fx import ecb, sources, table
from ledger.models.fx_rates import FxSource
from vendors.models import Merchant
from vendors.services import keys, notices, onboarding

MERCHANT_NAME = "Everycent Marketplace"
NOTICE_ADDRESS = "notices@marketplace.example"
KEY_LABEL = "demo"
ADMIN = "admin"
RATES_AGE_MAX = timedelta(days=90)


class Command(BaseCommand):
    """Makes what is missing of the demo data; safe to run at every start."""

    help = "make the demo merchant, its API key and the staff, when missing"

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing and keep the credentials."""
        if settings.SETTINGS_MODULE == "config.settings.prod":
            raise CommandError("seed_demo makes demo users: it does not run in production")
        kept = house.credentials(settings.DATA_DIR)
        found = {"api_key": _api_key(kept.get("api_key", "")), "staff": _staff(kept.get("staff", {}))}
        if found != kept:
            _keep(settings.DATA_DIR / house.CREDENTIALS, found)
        set_rates(clock.now())
        self.stdout.write(f"demo: merchant {MERCHANT_NAME}, staff {', '.join(found['staff'])}")


def set_rates(at: datetime) -> int:
    """Let finance's table say what the central bank's file said last, when it says nothing; how many rates.

    The file in the package is weeks old and so no fresh source; the feed alone is too few for a rate.
    """
    if sources.fresh(FxSource.TABLE, at):
        return 0
    days = list(ecb.read(ecb.history_file(), (at - RATES_AGE_MAX).date()))
    for rate in days[-1][1] if days else []:
        table.set_rate(
            base=rate.base, quote=rate.quote, rate=rate.rate, valid_from=at, actor=SYSTEM, at=at,
            reason=f"demo: the central bank on {days[-1][0].isoformat()}",
        )  # fmt: skip
    return len(days[-1][1]) if days else 0


def _api_key(kept: str) -> str:
    known = keys.find(kept) if kept else None
    if known is not None and known.revoked_at is None:
        return kept
    found = Merchant.objects.filter(name=MERCHANT_NAME).order_by("pk").first()
    merchant = found or onboarding.create_merchant(name=MERCHANT_NAME, actor=SYSTEM, at=clock.now())
    if not merchant.notice_address:
        notices.set_address(
            merchant_id=merchant.pk, address=NOTICE_ADDRESS, reason="demo", actor=SYSTEM, at=clock.now()
        )
    _, plaintext = keys.issue(merchant, actor=SYSTEM, at=clock.now(), label=KEY_LABEL)
    return plaintext


def _staff(kept: dict[str, str]) -> dict[str, str]:
    """Make the users that are missing; give a new password to those whose password is not known here."""
    groups = roles.sync()
    passwords = {}
    for name in (ADMIN, *groups):
        user, is_new = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        passwords[name] = kept.get(name) or secrets.token_urlsafe(12)
        if is_new or name not in kept:
            user.is_staff, user.is_superuser = True, name == ADMIN
            user.set_password(passwords[name])
            user.save(update_fields=["is_staff", "is_superuser", "password"])
            user.groups.set([groups[name]] if name in groups else [])
    return passwords


def _keep(file: Path, found: dict[str, Any]) -> None:
    partial = file.with_suffix(".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        json.dump(found, handle, indent=2)
    partial.replace(file)
