"""Pages for staff of what is not ours: people, roles, and the scheduler's timetable; view only."""

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from ledger.admin.base import Facts, ViewOnlyAdmin, moment_column

for model in (User, Group, ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(User)
class UserAdmin(ViewOnlyAdmin):
    """Staff. They are made and given roles by `manage.py staff`, which leaves an audit record."""

    list_display = ["username", "roles", "is_active", "is_superuser", "seen"]
    list_filter = ["is_active", "groups"]
    search_fields = ["=username"]
    hidden_fields = ["password"]
    seen = moment_column("last_login", "last seen")

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="roles")
    def roles(self, row: User) -> str:
        return ", ".join(sorted(group.name for group in row.groups.all()))


@admin.register(Group)
class GroupAdmin(ViewOnlyAdmin):
    """Roles; `config/roles.py` is the table they are written from."""

    list_display = ["name"]

    def facts(self, row: Group) -> list[Facts]:
        held = row.permissions.select_related("content_type").order_by("content_type__app_label", "codename")
        by_app: dict[str, list[str]] = {}
        for permission in held:
            by_app.setdefault(permission.content_type.app_label, []).append(permission.codename)
        return [Facts(row.name, [(app, ", ".join(names).replace("_", " ")) for app, names in by_app.items()])]


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ViewOnlyAdmin):
    """The timetable as the scheduler has it; `config/celery.py` is the table it is written from."""

    list_display = ["name", "task", "queue", "schedule", "enabled", "ran", "total_run_count"]
    list_select_related = ["interval", "crontab", "solar", "clocked"]
    list_filter = ["enabled"]
    search_fields = ["=name", "=task"]
    ran = moment_column("last_run_at", "last run")

    @admin.display(description="when")
    def schedule(self, row: PeriodicTask) -> str:
        return str(row.interval or row.crontab or row.solar or row.clocked)


@admin.register(CrontabSchedule, IntervalSchedule, SolarSchedule, ClockedSchedule)
class ScheduleAdmin(ViewOnlyAdmin):
    """Times that rows of the timetable name."""
