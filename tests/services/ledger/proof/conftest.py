"""Sealed books for the tests of proofs. Commits are real: a seal takes only what is committed."""

import uuid

import pytest

from tests.kit import seals
from tests.kit.months import month_of_its_own


@pytest.fixture
def head(settings, tmp_path):
    """The file of heads of this test alone."""
    settings.SEAL_HEAD_FILE = tmp_path / "head.jsonl"
    return settings.SEAL_HEAD_FILE


@pytest.fixture
def books(transactional_db, head):
    """A merchant's sealed books. The rows stay, as rows do; the seals are taken off again."""
    seals.unseal()
    books = seals.write(uuid.uuid4())
    seals.seal_everything()
    yield books
    seals.unseal()


@pytest.fixture
def place(transactional_db, head, settings, tmp_path):
    """Where archives of this test lie; nothing is sealed before it, nor after it."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    seals.unseal()
    yield settings.ARCHIVE_DIR
    seals.unseal()


@pytest.fixture
def begins(transactional_db):
    """The beginning of a month long ago that is this test's own."""
    return month_of_its_own()
