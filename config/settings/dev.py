"""Differences for a laptop and for `make run`: development secrets, the addresses of the running house."""

import os

from config import house

_kept = house.read(house.data_folder())
if "DATABASE_URL" in os.environ:  # another database than the house's: then neither address is the house's
    _kept = {name: value for name, value in _kept.items() if name not in house.DATABASES}
for _name, _value in _kept.items():
    os.environ.setdefault(_name, _value)

from config.settings.base import *  # noqa: E402,F403

WHITENOISE_USE_FINDERS = True  # static files straight from the packages: nothing to collect
WHITENOISE_AUTOREFRESH = False
STATIC_ROOT = None
