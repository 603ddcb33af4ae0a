"""kill -9 in the rotation of the vault's keys and in verifications: the next run goes on where it stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from ledger import clock
from ledger.actors import SYSTEM
from ledger.crashpoints import registry
from ledger.ids import uuid7
from ledger.locks import phase
from ledger.models import JournalEntry
from payments.models import PaymentMethod, ProviderOperation, VaultRecord
from payments.providers import registry as registry_of_providers
from payments.services.calls import recovering
from payments.services.methods import adding_methods, keeping_methods, verifying_methods
from payments.services.methods.adding_methods import NewMethod, ProvidersOwn
from payments.vault import instruments, rotation, stores, tokens
from payments.vault.instruments import Shown
from payments.vault.tokens import Given
from tests.kit import cards
from tests.kit.killed import killed_at
from tests.kit.network import Network
from tests.services.payments.cast import now_plus
from vendors.models import Merchant

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]
ROWS = 12
IBAN = "DE89370400440532013000"
ROTATE = """
import sys, django; django.setup()
from django.core.management import call_command
call_command("rotate_vault_keys", batch=int(sys.argv[1]))
"""
VERIFY = """
import sys, django; django.setup()
from uuid import UUID
from ledger import clock
from ledger.actors import SYSTEM
from payments.services.methods import verifying_methods
verifying_methods.ask_bank(merchant_id=UUID(sys.argv[1]), method_id=UUID(sys.argv[2]),
                           operation_id=UUID(sys.argv[3]), actor=SYSTEM, at=clock.now())
"""


def run_killed(code: str, point: str, folder: Path, *arguments: str, **environment: str) -> None:
    """Run code in a process that dies at a crash point."""
    armed = folder / "armed"
    armed.mkdir()
    (armed / point).touch()
    named: dict[str, Any] = connection.settings_dict
    url = f"postgresql://{named['USER']}:{named['PASSWORD']}@{named['HOST']}:{named['PORT']}/{named['NAME']}"
    killed = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, "DATABASE_URL": url.replace(":@", "@"), "CRASHPOINT_DIR": str(armed),
             "DJANGO_SETTINGS_MODULE": "config.settings.test", **environment},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (armed / point).exists(), "the point fired"


@pytest.mark.parametrize("point", ["vault.rotate_before_commit", "vault.rotate_after_commit"])
@pytest.mark.parametrize(
    "cards_kept", [ROWS, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_a_killed_rotation_is_gone_on_with(
    northwind: Merchant, settings: Any, tmp_path: Path, point: str, cards_kept: int
) -> None:
    """Killed when some are sealed anew and most are not; in the storm in the middle of ten thousand."""
    some = cards_kept // 2 - 1
    settings.VAULT_KEY_FILE = tmp_path / "vault-keys.json"
    stores.reset()
    at = clock.now()
    typed = [
        instruments.read("card", cards.card(), at=at, where="e", is_live=False) for _ in range(cards_kept)
    ]
    with phase():
        records = [tokens.keep(one, merchant_id=northwind.pk, actor=SYSTEM, at=at) for one in typed]
    old, new = records[0].key_id, stores.store().make()
    # Those of others are older, so they come first.
    others = VaultRecord.objects.filter(erased_at=None).exclude(merchant=northwind).count()
    run_killed(ROTATE, point, tmp_path, str(others + some), VAULT_KEY_FILE=str(settings.VAULT_KEY_FILE))
    mine = VaultRecord.objects.filter(merchant=northwind)
    moved = mine.filter(key_id=new).count()
    assert moved == (0 if point == "vault.rotate_before_commit" else some)
    done = rotation.rotate(actor=SYSTEM, at=at)
    assert done.sealed >= cards_kept - moved
    assert not mine.filter(key_id=old).exists()
    for record, one in zip(records, typed, strict=True):
        found = tokens.use(
            record.token, Shown(), lambda opened: opened.secret["number"],
            merchant_id=northwind.pk, purpose="test", actor=SYSTEM, at=at,
        )  # fmt: skip
        assert found == one.secret["number"]
    with phase():
        for record in records:
            tokens.erase(record.token, northwind.pk, actor=SYSTEM, at=at, reason="end of test")
    stores.reset()


VERIFIED = sorted(point for point in registry if point.startswith("verify."))


@pytest.mark.slow
@pytest.mark.parametrize("point", VERIFIED)
def test_a_killed_verification_ends_once(
    northwind: Merchant, network: Network, tmp_path: Path, point: str
) -> None:
    held = ProvidersOwn("velocitypay", network.card()["token"], Shown(last4="4242"))
    method = adding_methods.add(
        merchant_id=northwind.pk, method_id=uuid7(), wanted=NewMethod("carla", "card", held=held),
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip
    operation_id = uuid7()
    run_killed(
        VERIFY, point, tmp_path, str(northwind.pk), str(method.pk), str(operation_id),
        VELOCITYPAY_URL=network.url, VELOCITYPAY_API_KEY="vp_test_key_of_the_tests",
    )  # fmt: skip
    recovering.sweep(now_plus(120))
    found = PaymentMethod.objects.get(pk=method.pk)
    assert found.state == "verified"
    operation = ProviderOperation.objects.get(pk=operation_id)
    assert operation.outcome == "approved"
    assert len(network.truth(idempotency_key=operation.idempotency_key)) == 1
    again = verifying_methods.ask_bank(
        merchant_id=northwind.pk, method_id=method.pk, operation_id=operation_id, actor=SYSTEM, at=clock.now()
    )
    assert again.state == "verified"
    assert ProviderOperation.objects.filter(subject_id=method.pk).count() == 1


DEPOSITED = sorted(point for point in registry if point.startswith("deposit."))


@pytest.mark.parametrize("point", DEPOSITED)
def test_killed_deposits_arrive_once_each(
    northwind: Merchant, network: Network, tmp_path: Path, point: str
) -> None:
    """Killed at the first of both: what was sent is found again, the other is sent."""
    given = Given("sepa", northwind.pk, is_live=False, details={"holder": "Carla Jung", "iban": IBAN})
    method = adding_methods.add(
        merchant_id=northwind.pk, method_id=uuid7(), wanted=NewMethod("carla", "sepa", given=given),
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip
    effect_id = uuid7()

    def step() -> None:
        registry_of_providers.reset()  # connections to the network are the parent's
        verifying_methods.deposit(
            merchant_id=northwind.pk, method_id=method.pk, effect_id=effect_id, actor=SYSTEM, at=clock.now()
        )

    killed_at(point, tmp_path, step)
    for seconds in (20, 40, 60):
        recovering.sweep(now_plus(seconds))
    step()
    sent = ProviderOperation.objects.filter(subject_id=method.pk).order_by("leg")
    assert [(row.kind, row.outcome) for row in sent] == [("deposit", "approved")] * 2
    for row in sent:
        assert [there["amount"] for there in network.truth(idempotency_key=row.idempotency_key)] == [
            row.amount_minor
        ]
    assert JournalEntry.objects.filter(source_id=method.pk).count() == 2
    verified = verifying_methods.tell_amounts(
        merchant_id=northwind.pk, method_id=method.pk, amounts=[row.amount_minor for row in sent],
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip
    assert verified.state == "verified"
    keeping_methods.remove(
        merchant_id=northwind.pk, method_id=method.pk, reason="end of test", actor=SYSTEM, at=clock.now()
    )


def test_the_points_are_there() -> None:
    assert {"verify.after_claim", "verify.after_call", "verify.before_commit"} <= set(VERIFIED)
    assert len(DEPOSITED) == len(VERIFIED) == 4
