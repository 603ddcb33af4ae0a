"""One role that owns the books and uses them is warned of; a role that does not own them may not migrate."""

import os
import subprocess
import sys

import pytest
from django.core import checks
from django.db import connection

from config import grants
from tests.kit.owner import OWNERS
from tests.kit.shared import ROOT

pytestmark = pytest.mark.django_db(databases=OWNERS)


def warnings(**asked: object) -> list[str]:
    found = checks.run_checks(tags=[checks.Tags.database], include_deployment_checks=True, **asked)
    return [str(one.id) for one in found if str(one.id).startswith("config.")]


class TestTheCheckOfADeploy:
    def test_is_silent_for_a_role_that_owns_nothing(self):
        assert warnings(databases=["default"]) == []

    def test_warns_of_an_application_that_owns_the_books(self):
        with grants.as_owner():
            assert warnings(databases=["default"]) == ["config.W003"]

    def test_asks_no_database_that_was_not_named(self, django_assert_num_queries):
        with grants.as_owner(), django_assert_num_queries(0):
            assert warnings(databases=None) == []


def manage(command: str, address: str) -> "subprocess.CompletedProcess[str]":
    """Run a management command whose owner's address is the given one."""
    return subprocess.run(
        [sys.executable, "manage.py", *command.split()],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test", "DATABASE_URL": address,
                          "MIGRATION_DATABASE_URL": address},
    )  # fmt: skip


def test_migrate_refuses_a_role_that_does_not_own_the_tables():
    found = connection.settings_dict
    address = (
        f"postgresql://{found['USER']}:{found['PASSWORD']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"
    )
    refused = manage("migrate ledger zero", address)
    assert refused.returncode == 1
    assert f"{found['USER']} does not own the tables: set MIGRATION_DATABASE_URL" in refused.stderr
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('ledger_posting') IS NOT NULL")
        assert cursor.fetchone() == (True,)
