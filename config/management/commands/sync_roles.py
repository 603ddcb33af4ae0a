"""`manage.py sync_roles`: bring the staff groups in line with `config.roles`; run after each migrate."""

from typing import Any

from django.core.management.base import BaseCommand

from config import roles


class Command(BaseCommand):
    """Writes the groups and their permissions; safe to repeat."""

    help = "bring the staff groups in line with config.roles"

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the groups and name them."""
        self.stdout.write(f"roles: {', '.join(roles.sync())}")
