"""Differences for a laptop and for `make run`: development secrets, the addresses of the running house."""

import os

from config import house

for _name, _value in house.read(house.data_folder()).items():
    os.environ.setdefault(_name, _value)

from config.settings.base import *  # noqa: E402,F403

WHITENOISE_USE_FINDERS = True  # static files straight from the packages: nothing to collect
WHITENOISE_AUTOREFRESH = False
STATIC_ROOT = None
