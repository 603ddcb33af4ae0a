"""Settings: a wrong value stops the start with one line that names the variable."""

import os
import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from tests.kit.source import ROOT

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.prod",
    **dict.fromkeys(env.DEFAULTED, "whsec_dGVzdC1vbmx5LTAxMjM0NTY3ODktYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo="),
    "ALLOWED_HOSTS": "everycent.example",
    "DATABASE_URL": "postgresql://x@127.0.0.1:9/x",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


def start(**variables: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT, env={**clean, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PROVIDER_READ_TIMEOUT_SECONDS", "soon", "must be a number of seconds"),
        ("DATABASE_CONN_MAX_AGE_SECONDS", "-1", "must be between"),
        ("DATABASE_URL", "mysql://x/y", "must be a postgresql:// address"),
        ("LOG_LEVEL", "LOUD", "must be one of"),
    ],
)
def test_nonsense_stops_the_start_with_one_line(name, value, said):
    ended = start(DJANGO_SETTINGS_MODULE="config.settings.test", **{name: value})
    assert ended.returncode == 1
    assert name in ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_production_starts_when_all_is_set_and_a_secret_may_lie_in_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(PRODUCTION["SECRET_KEY"])
    variables = {key: value for key, value in PRODUCTION.items() if key != "SECRET_KEY"}
    ended = start(**variables, SECRET_KEY_FILE=str(file))
    assert ended.returncode == 0, ended.stderr


def test_production_names_all_that_is_missing():
    ended = start(DJANGO_SETTINGS_MODULE="config.settings.prod")
    assert ended.returncode == 1
    assert not [name for name in PRODUCTION if name != "DJANGO_SETTINGS_MODULE" and name not in ended.stderr]


def test_one_missing_secret_is_enough_to_stop():
    ended = start(**{key: value for key, value in PRODUCTION.items() if key != "EVENT_SIGNING_KEY"})
    assert ended.returncode == 1
    assert "production needs EVENT_SIGNING_KEY" in ended.stderr


def test_production_refuses_crash_points(tmp_path):
    ended = start(**PRODUCTION, CRASHPOINT_DIR=str(tmp_path))
    assert ended.returncode == 1
    assert "CRASHPOINT_DIR" in ended.stderr


class TestReaders:
    def test_a_whole_number_is_a_whole_number(self, monkeypatch):
        monkeypatch.setenv("X_COUNT", "1.5")
        with pytest.raises(ImproperlyConfigured, match="X_COUNT must be a whole number"):
            env.integer("X_COUNT", 1)

    def test_numbers_by_name_are_read_or_refused(self, monkeypatch):
        assert env.integers("X_DAYS") == {}
        monkeypatch.setenv("X_DAYS", "visa=7, amex=5")
        assert env.integers("X_DAYS") == {"visa": 7, "amex": 5}
        for wrong in ("visa", "visa=x", "visa=0", "visa=999", "=7"):
            monkeypatch.setenv("X_DAYS", wrong)
            with pytest.raises(ImproperlyConfigured, match="X_DAYS"):
                env.integers("X_DAYS")

    def test_mail_leaves_by_a_server_a_folder_or_the_log(self, monkeypatch):
        assert env.mail("X_MAIL", "consolemail://")["EMAIL_BACKEND"].endswith("console.EmailBackend")
        monkeypatch.setenv("X_MAIL", "smtp+tls://us:p%40ss@mail.example:587")
        found = env.mail("X_MAIL", "")
        assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == (
            "mail.example",
            587,
            True,
        )
        assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("us", "p@ss")
        monkeypatch.setenv("X_MAIL", "filemail:///var/our%20mail")
        assert env.mail("X_MAIL", "")["EMAIL_FILE_PATH"] == "/var/our mail"
        for wrong in ("mail.example", "smtp://", "http://mail.example", "smtps:///x"):
            monkeypatch.setenv("X_MAIL", wrong)
            with pytest.raises(ImproperlyConfigured, match="X_MAIL"):
                env.mail("X_MAIL", "consolemail://")

    def test_a_missing_secret_without_default_is_refused(self):
        with pytest.raises(ImproperlyConfigured, match="X_SECRET"):
            env.secret("X_SECRET")


def test_every_variable_is_in_the_table():
    table = (ROOT / "docs/configuration.md").read_text()
    reader = re.compile(r'(?:env\.\w+|integer|seconds|path|secret|choice|database|mail)\(\s*"([A-Z_]+)"')
    read = {
        name for file in (ROOT / "config/settings").glob("*.py") for name in reader.findall(file.read_text())
    }
    assert len(read) > 30
    assert not sorted(name for name in read if f"`{name}`" not in table)
