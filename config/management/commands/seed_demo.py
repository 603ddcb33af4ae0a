"""`manage.py seed_demo`: the demo merchant, its API key and the staff of the three roles, made once."""

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Makes what is missing of the demo data; safe to run at every start."""

    help = "make the demo merchant, its API key and the staff, when missing"

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing."""
        self.stdout.write("nothing to make yet")
