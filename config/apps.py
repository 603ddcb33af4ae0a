"""The roof as a Django app: it owns no tables; it loads the Celery application and the system checks."""

from django.apps import AppConfig

from config import celery, checks

__all__ = ["ConfigConfig", "celery", "checks"]


class ConfigConfig(AppConfig):
    """Settings, routes, timetable, health."""

    name = "config"
    label = "config"
