"""Explain a figure: what it is made of and what caused it; exit 1 when something is unexplained."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger.explain import shown, walking


class Command(BaseCommand):
    """Print the tree behind an id, to its ends outside the house."""

    help = "Lead any id (payout, fee, balance, bank line, report cell …) back to what caused it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="for example po_…, set_…, bln_12, acc_…, jnl_….2, cell_trial.…")
        parser.add_argument("--depth", type=int, default=walking.DEPTH_MAX, help="steps to follow")
        parser.add_argument("--json", action="store_true", help="print JSON, as the API gives it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            story = walking.explain(options["id"], depth=options["depth"])
        except walking.NotExplained as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(shown.as_json(story), indent=2, ensure_ascii=False, default=str))
        else:
            for line in shown.as_text(story):
                self.stdout.write(line)
        if not story.is_explained:
            raise CommandError(f"{options['id']} is not explained", returncode=1)
