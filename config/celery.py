"""The Celery application, its queues and the timetable.

The database row is the job, the message only a hint (reliability 3.3, 3.7): every task is safe twice, late
and in parallel, and nothing about money is decided from the broker. The timetable below is the only list
of recurring work; a row that waited longer than its `expires` is dropped, so that a backlog of runs never
piles up.
"""

import sys
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.schedules import BaseSchedule, crontab, schedule
from celery.signals import setup_logging, task_postrun, task_prerun, worker_before_create_process
from django import db
from kombu import Queue

from config import logs, memory

MONEY = "money"
WEBHOOK_IN = "webhook_in"
WEBHOOK_OUT = "webhook_out"
REPORTS = "reports"
QUEUES = (MONEY, WEBHOOK_IN, WEBHOOK_OUT, REPORTS)

# How long the broker waits before it gives the message of a silent worker to another.
VISIBILITY_TIMEOUT_SECONDS = 120
TIME_LIMIT_SECONDS = 60  # must stay below the visibility timeout, else one message runs twice at once
SOFT_TIME_LIMIT_SECONDS = 45


@dataclass(frozen=True)
class Row:
    """One line of the timetable: which task runs when, on which queue, and how long a run may wait."""

    name: str
    task: str
    when: BaseSchedule
    queue: str
    expires_seconds: int


def _every(seconds: float, task: str, queue: str, name: str) -> Row:
    # A run may wait for a few periods while a worker is busy; what is older is superseded by the next one.
    return Row(name, task, schedule(run_every=seconds), queue, max(5, int(3 * seconds)))


def _daily(hour: int, minute: int, task: str, queue: str, name: str) -> Row:
    return Row(name, task, crontab(hour=str(hour), minute=str(minute)), queue, 6 * 3600)


# Times are UTC. A row is added here when its task exists; tests/architecture compares both.
TIMETABLE: tuple[Row, ...] = (
    _every(1, "ledger.tasks.relay_outbox", MONEY, "deliver the news of the outbox"),
    _every(1, "ledger.tasks.roll_balances", MONEY, "roll up the tails of deferred balances"),
    _every(5, "ledger.tasks.settle_balances", REPORTS, "bring the balances of the past up to date"),
    _every(5, "ledger.tasks.sweep_jobs", MONEY, "publish again the jobs that are due"),
    _every(3, "payments.tasks.recover_operations", MONEY, "ask what became of open provider operations"),
    _every(1, "payments.tasks.apply_webhooks", WEBHOOK_IN, "apply what providers told us"),
    _every(15, "ledger.tasks.expire_holds", MONEY, "let go of money held beyond its time"),
    _every(60, "payments.tasks.gather_bank_entries", MONEY, "put debits and credits into files to the banks"),
    _every(60, "payments.tasks.hear_banks", MONEY, "take in what banks' files say"),
    _every(300, "payments.tasks.expire_payments", MONEY, "let authorizations and unused payments lapse"),
    _every(15, "payments.tasks.probe_providers", REPORTS, "ask providers whether they answer"),
    _every(600, "payments.tasks.rotate_encryption_keys", REPORTS, "change the keys browsers encrypt for"),
    _every(10, "vendors.tasks.complete_requests", MONEY, "complete requests whose caller was lost"),
    _every(5, "ledger.tasks.seal_books", REPORTS, "seal what was written"),
    _every(300, "ledger.tasks.verify_seals", REPORTS, "verify the seals in slices, a round a day"),
    _every(300, "payments.tasks.warn_of_disputes", REPORTS, "warn of disputes whose answer is due"),
    _every(60, "payments.tasks.fetch_fx_rates", MONEY, "fetch the rate feed"),
    _every(600, "ledger.tasks.import_ecb_rates", REPORTS, "take in new days of the central bank's rates"),
    _every(10, "ledger.tasks.expire_fx_quotes", MONEY, "let quotes of exchange lapse"),
    _daily(0, 20, "settlements.tasks.settle_due", MONEY, "close the settlements of the day that has ended"),
    _daily(1, 20, "settlements.tasks.pay_due", MONEY, "pay the settlements that wait for it"),
    _daily(6, 20, "settlements.tasks.fetch_statements_due", REPORTS, "fetch the bank's statements"),
    _every(60, "ledger.tasks.check_changes", REPORTS, "check the invariants on what changed"),
    _daily(2, 10, "ledger.tasks.check_invariants", REPORTS, "check the invariants"),
    _daily(4, 10, "payments.tasks.complete_payments", MONEY, "complete payments whose windows have passed"),
    _daily(0, 5, "ledger.tasks.make_partitions", REPORTS, "make the months of the books ahead"),
    _daily(3, 20, "ledger.tasks.erase_expired", REPORTS, "erase what is past its retention"),
)

SETTINGS: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_acks_on_failure_or_timeout": True,
    "worker_prefetch_multiplier": 1,
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        # A hint that cannot be sent is given up at once: the sweep sends it again, the caller must not wait.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.05,
        "interval_max": 0.05,
        "socket_connect_timeout": 2,
    },
    "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
    "result_backend_transport_options": {"visibility_timeout": VISIBILITY_TIMEOUT_SECONDS},
    "task_time_limit": TIME_LIMIT_SECONDS,
    "task_soft_time_limit": SOFT_TIME_LIMIT_SECONDS,
    "worker_soft_shutdown_timeout": 20,
    "worker_enable_soft_shutdown_on_idle": True,
    "task_ignore_result": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "worker_max_tasks_per_child": 1000,
    # Celery would close the database's connections around each task: a new server process each time, which
    # knows no table and has planned nothing. We close those that are broken or old (_tidy_connections).
    "CELERY_DB_REUSE_MAX": sys.maxsize,
    "worker_hijack_root_logger": False,
    "task_queues": [Queue(name) for name in QUEUES],
    "task_default_queue": MONEY,
    "task_create_missing_queues": False,
    "beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler",
    "beat_max_loop_interval": 1,
    "timezone": "UTC",
    "enable_utc": True,
    "beat_schedule": {
        row.name: {
            "task": row.task,
            "schedule": row.when,
            "options": {"queue": row.queue, "expires": row.expires_seconds},
        }
        for row in TIMETABLE
    },
}

app = Celery("everycent")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(SETTINGS)
app.set_default()  # threads of the web server, too, publish to this application
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    logs.configure()


@worker_before_create_process.connect
def _share_memory(**_: object) -> None:
    memory.settle()


@task_prerun.connect
@task_postrun.connect
def _tidy_connections(sender: Any, **_: object) -> None:
    """Close connections that are broken, or older than the settings keep them, as Django does for requests.

    A task that runs within its caller's work leaves the caller's connection alone.
    """
    if not sender.request.is_eager:
        db.close_old_connections()
