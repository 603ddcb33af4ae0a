"""The books may be spread by merchant: each key holds it, and the same code works on 64 hash partitions."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from config import shards

ROOT = Path(__file__).resolve().parents[3]
PARTITIONS = "64"
# Posting, dry runs, batches, rolling, sealing, verifying, balances, recording, holds; at random and at once.
SAME_TESTS = (
    *(
        f"tests/services/ledger/{name}.py"
        for name in (
            "spread_books", "test_journal", "test_recording", "test_refusals", "proof/test_sealing",
            "test_transferring", "test_holding",
        )
    ),
    "tests/properties/test_books.py",
    "tests/races/test_posting_at_once.py",
)  # fmt: skip


@pytest.mark.django_db
def test_every_key_of_the_books_holds_the_merchant():
    """An engine spreads a table by a column that stands in each of its unique keys, and no other."""
    by_name = {table.name: table for table in shards.tables()}
    assert [name for name in shards.BOOKS if by_name[name].keys_without_merchant] == []
    assert set(shards.BOOKS) <= set(shards.spread_tables())


@pytest.mark.django_db
def test_a_table_of_the_ledger_stays_whole_for_a_reason():
    """Each is of the books, says why it is not, or is one whose keys the plan names as waiting."""
    names = {table.name for table in shards.tables()}
    assert shards.REFERENCE.keys() <= names
    assert [key for key in shards.HOUSE if not any(name.startswith(key) for name in names)] == []
    assert not [name for name in shards.BOOKS if shards.why_whole(name)]


@pytest.mark.django_db
def test_the_plan_spreads_the_books_beside_each_other_and_keeps_their_law():
    out = StringIO()
    call_command("shard_plan", stdout=out)
    plan = out.getvalue()
    for name in shards.BOOKS[1:]:
        assert f"create_distributed_table('{name}', 'merchant_id', colocate_with => '{shards.FIRST}')" in plan
    assert "create_reference_table('ledger_state_edge')" in plan
    assert "run_command_on_placements('ledger_posting'" in plan
    assert "create_distributed_function('ledger_post_one(" in plan


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_tests_hold_on_64_hash_partitions():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"BOOKS_SHARDS": PARTITIONS}
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
        environment[name] = f"{os.environ[name].rpartition('/')[0]}/everycent_shards"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout", "600", "-m", "not slow and not chaos",
         *SAME_TESTS],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-4000:]
    assert " passed" in run.stdout
