"""The floors and rooms of the house hold: the contracts of pyproject.toml, checked by import-linter."""

from importlinter.application import use_cases
from importlinter.configuration import configure

from tests.kit.source import ROOT


def test_every_import_goes_to_a_lower_floor_or_room():
    configure()
    assert use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None), "see above"
