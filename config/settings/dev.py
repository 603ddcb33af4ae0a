"""Differences for a laptop and for `make run`: development secrets allowed."""

from config.settings.base import *  # noqa: F403
