"""Print how the tables of the books would be spread over many servers, from the database as it stands."""

from typing import Any

from django.core.management.base import BaseCommand

from config import shards


class Command(BaseCommand):
    """`manage.py shard_plan`: the statements for Citus, and what stays whole, with the reason."""

    help = "Print the statements that spread the books by merchant, and which tables stay whole."

    def handle(self, *args: Any, **options: Any) -> None:
        for statement in shards.statements():
            self.stdout.write(statement)
        tables = [table for table in shards.tables() if table.name not in shards.REFERENCE]
        self.stdout.write("\n-- stay whole:")
        for table in tables:
            if why := shards.why_whole(table.name):
                self.stdout.write(f"--   {table.name}: {why}")
        rest = [table for table in tables if table.has_merchant and not shards.why_whole(table.name)]
        ready = [table.name for table in rest if table.can_be_spread and not table.name.startswith("ledger_")]
        waiting = [table.name for table in rest if not table.can_be_spread]
        self.stdout.write(
            f"-- of the floors above, could be spread as they are: {', '.join(ready) or 'none'}"
        )
        self.stdout.write(
            f"-- could be, once the merchant has joined their keys: {', '.join(waiting) or 'none'}"
        )
