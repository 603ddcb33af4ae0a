"""Write every machine, drawn as Mermaid, into the README of its app; `--check` only compares."""

import re
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger.recording import Recorded
from ledger.states import Machine, StateField

START, END = "<!-- states -->", "<!-- /states -->"


class Command(BaseCommand):
    """Draw the machines between the two marks of each app's README."""

    help = "Draw every state machine into its app's README."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail when a drawing is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        stale = []
        for config in apps.get_app_configs():
            drawings = [_drawing(machine) for machine in _machines(config.get_models())]
            readme = Path(config.path) / "README.md"
            if not drawings:
                continue
            text = readme.read_text(encoding="utf-8")
            if START not in text:
                raise CommandError(f"{config.label}/README.md has no place for its drawings: {START} … {END}")
            body = f"{START}\n" + "\n".join(drawings) + END
            drawn = re.sub(f"{START}.*?{END}", lambda _, b=body: b, text, flags=re.DOTALL)  # type: ignore[misc]
            if drawn != text:
                stale.append(config.label)
                if not options["check"]:
                    readme.write_text(drawn, encoding="utf-8")
        if stale and options["check"]:
            raise CommandError(f"out of date: {', '.join(stale)}; run manage.py draw_states")
        self.stdout.write(f"drawn: {', '.join(stale) or 'nothing changed'}")


def _machines(models: Any) -> list[Machine]:
    found = []
    for model in models:
        if issubclass(model, Recorded):
            found += [f.machine for f in model._meta.fields if isinstance(f, StateField) and f.machine]
    return found


def _drawing(machine: Machine) -> str:
    title = machine.name.replace("_", " ").capitalize()
    return f"**{title}**\n\n```mermaid\n{machine.mermaid()}\n```\n"
