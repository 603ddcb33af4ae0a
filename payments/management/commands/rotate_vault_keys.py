"""Seal the vault's records under a new key: `rotate_vault_keys --new`, and again until nothing waits."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger import clock
from ledger.actors import operator_actor
from ledger.errors import DomainError
from payments.vault import rotation, stores


class Command(BaseCommand):
    """Rotate the keys of the vault in batches; a run that was killed is gone on with by the next one."""

    help = "seal the vault's records under the current key; --new makes one first, --destroy ends an old one"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--new", action="store_true", help="make a new key-encrypting key first")
        parser.add_argument("--destroy", metavar="KEK", help="destroy an old key that nothing needs")
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="rows in one transaction")

    def handle(self, *args: Any, **options: Any) -> None:
        actor, at = operator_actor("rotate_vault_keys"), clock.now()
        if not 1 <= options["batch"] <= 10_000:
            raise CommandError("--batch must be between 1 and 10000")
        try:
            if options["destroy"]:
                rotation.destroy(options["destroy"], actor=actor, at=at)
                self.stdout.write(f"destroyed: {options['destroy']}")
                return
            if options["new"]:
                self.stdout.write(f"made: {stores.store().make()}")
            done = rotation.rotate(actor=actor, at=at, batch=options["batch"])
            self.stdout.write(f"sealed anew: {done.sealed}, unreadable: {done.unreadable}")
            for key_id, count in sorted(rotation.waiting().items()):
                self.stdout.write(f"under {key_id}: {count}")
        except DomainError as error:
            raise CommandError(f"{error.message}. {error.advice_given}".strip()) from error
        if done.unreadable:
            raise CommandError("some records do not open; the audit log names them (vault.rotated, failed)")
