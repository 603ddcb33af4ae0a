"""`manage.py archive`: months past their retention go to sealed files, and out of their tables.

manage.py archive                 what is due, and what holds keep; nothing is done
manage.py archive run [--drop]    write, check and detach what is due; remove what a whole file holds
manage.py archive verify FILE…    read files, byte by byte; without FILE all files, and their chain
manage.py archive restore FILE    load a file into a table of its own, for reading
"""

import getpass
from collections.abc import Generator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import grants
from ledger import clock
from ledger.actors import Actor, operator_actor
from ledger.archives import archiving, open_ends
from ledger.archives import files as archive_files
from ledger.errors import Conflict, DomainError
from ledger.models import ArchiveFile


class Command(BaseCommand):
    """Archives, verifies and restores, as the owner of the tables: the application cannot."""

    help = "Move months past their retention to sealed files; verify and restore such files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", nargs="?", default="due", choices=["due", "run", "verify", "restore"])
        parser.add_argument("files", nargs="*", type=Path)
        parser.add_argument("--drop", action="store_true", help="remove detached tables whose file is whole")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked and say what was done.

        :raises CommandError: a file is not what was sealed, or nothing of that name.
        """
        with grants.as_owner():
            try:
                for line in self._done(options["act"], options["files"], options["drop"]):
                    self.stdout.write(line)
            except DomainError as error:
                raise CommandError(f"{error.message}. {error.advice_given}".strip()) from error

    def _done(self, act: str, files: list[Path], is_dropping: bool) -> Iterator[str]:
        actor, at = operator_actor(getpass.getuser()), clock.now()
        if act == "due":
            yield from _due()
        elif act == "run":
            refused = yield from _archived(at, actor)
            if is_dropping:
                yield from _dropped(actor)
            if refused:
                raise CommandError(f"{refused} months were not archived, for the reasons given")
        elif act == "verify":
            yield from _verified(files)
        else:
            if len(files) != 1:
                raise CommandError("restore takes one file")
            name, count = archiving.restore(_place(files[0]), at, actor)
            yield f"{count} rows stand in table {name}; DROP TABLE it when they have been read"


def _archived(at: datetime, actor: Actor) -> Generator[str, None, int]:
    """Say of every month what became of it; return how many were refused."""
    refused = 0
    for done in archiving.archive_due(at, actor):
        if isinstance(done, Conflict):
            refused += 1
            yield f"{done.message}. {done.advice_given}".strip()
        else:
            yield f"archived {done.table} {done.range_from:%Y-%m}: {done.rows} rows in {done.file_name}"
    return refused


def _due() -> Iterator[str]:
    months = archiving.due(clock.now())
    for month in months:
        held = f", kept by hold {month.holds[0].public_id}" if month.is_held else ""
        yield f"{month.kept.title} of {month.begins:%Y-%m} are past their retention{held}"
        if month.kept.name == "journal":
            yield from (f"  not finished: {end}" for end in open_ends.of_month(month.begins, month.ends))
    yield f"{len(months)} months are past their retention"


def _dropped(actor: Actor) -> Iterator[str]:
    for number, table in ArchiveFile.objects.order_by("number").values_list("number", "detached_as"):
        if archiving.is_there(table):
            archiving.drop(number, clock.now(), actor)
            yield f"dropped {table}: its file is whole"


def _verified(files: list[Path]) -> Iterator[str]:
    known = {row.file_name: row for row in ArchiveFile.objects.all()}
    for file in files or [archiving.folder() / name for name in sorted(known)]:
        header = archive_files.verify(_place(file))
        if file.name in known:
            archive_files.check_against_row(header, known[file.name])
        yield f"{file.name}: {header.rows} rows of {header.table}, whole"
    for fault in archiving.check_chain():
        raise CommandError(fault)
    yield "the chain of archives is whole"


def _place(file: Path) -> Path:
    return file if file.exists() else archiving.folder() / file.name
