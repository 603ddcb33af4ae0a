"""`manage.py migrate`, as the owner of the tables (MIGRATION_DATABASE_URL), as nothing else in the house."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import connections

from config import grants


class Command(migrate.Command):
    """Django's command on the owner's connection, whoever asks for it; the grants follow it."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=grants.OWNER)

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate.

        :raises CommandError: the role is not the owner of the tables that stand.
        """
        with grants.as_owner():
            if not grants.owns_the_books():
                user = connections[grants.OWNER].settings_dict["USER"]
                raise CommandError(
                    f"{user} does not own the tables: set MIGRATION_DATABASE_URL to their owner's address"
                )
            super().handle(*args, **options)
