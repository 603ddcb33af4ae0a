"""The roof as a Django app: it owns no tables; it loads the Celery application and the system checks."""

from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.core import signals
from django.core.cache import close_caches
from django.db import reset_queries
from django.db.models.signals import post_migrate

from config import celery, checks, grants
from config.roles import write_roles

__all__ = ["ConfigConfig", "HouseAdminConfig", "celery", "checks"]


class HouseAdminConfig(admin_apps.AdminConfig):
    """Django's admin with the house's own site."""

    default_site = "config.admin_site.HouseAdminSite"
    default = False


class ConfigConfig(AppConfig):
    """Settings, routes, timetable, health."""

    name = "config"
    label = "config"
    default = True

    def ready(self) -> None:
        # For nothing at each request: no cache of Django's is used, and only tests keep queries.
        signals.request_started.disconnect(reset_queries)
        signals.request_finished.disconnect(close_caches)
        # Django tells only apps with tables; after the last of them every permission has been written.
        last = [app for app in apps.get_app_configs() if app.models_module is not None][-1]
        post_migrate.connect(write_roles, sender=last, dispatch_uid="config.write_roles")
        post_migrate.connect(grants.hear_migrated, sender=last, dispatch_uid="config.grants")
