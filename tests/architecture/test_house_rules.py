"""The house's own lint rules (style B4, B6): each says why, and names the only places that are allowed."""

import ast
import re

from tests.kit.source import APPS, Source, dotted, sources

NOT_OURS_TO_ORDER = ("payments/simulator/",)  # a separate program, without Django and the ledger
PROCESS_TENDERS = ("config/supervisor.py", "config/house.py", "config/processes.py", "config/servers.py")
DAY = ("config/day/", "config/bench/", "config/management/commands/")  # clients of the platform


def found(rule, *allowed: str) -> list[str]:
    """Return where the rule finds something, outside of the allowed paths."""
    return [
        f"{source.path}:{line}"
        for source in sources()
        if not source.path.startswith(allowed)
        for line in rule(source)
    ]


def test_only_the_clock_reads_the_clock():
    """Services take `at`; a second clock could not be moved by tests. (An id's time only orders.)"""

    def rule(source: Source):
        names = ("timezone.now", "datetime.now", "datetime.utcnow", "datetime.datetime.now", "date.today")
        return [
            node.lineno for node in source.calls(*names, "datetime.date.today", "time.time", "time.time_ns")
        ]

    assert not found(rule, "ledger/clock.py", "ledger/ids.py", *NOT_OURS_TO_ORDER, *PROCESS_TENDERS)


def test_only_locks_lock():
    """The lock order of the house is kept in one file per app; a lock elsewhere is a deadlock waiting."""

    def rule(source: Source):
        return [node.lineno for node in source.method_calls("select_for_update")]

    allowed = [source.path for source in sources() if source.path.endswith("/locks.py")]
    assert not found(rule, *allowed)


def test_no_float_near_money():
    """0.1 + 0.2 is not 0.3; money is whole minor units, and `Money` refuses floats."""

    def rule(source: Source):
        lines = source.text.splitlines()
        return [
            node.lineno
            for node in source.calls("float")
            if re.search(r"minor|amount|money|commission|fee", lines[node.lineno - 1], re.IGNORECASE)
        ]

    assert not found(rule)


def test_services_publish_no_messages():
    """Work is a row (`jobs.schedule`) or news (`announce`); a message may be lost, or early."""

    def rule(source: Source):
        if "/services/" not in source.path:
            return []
        return [node.lineno for node in source.method_calls("delay", "apply_async", "send_task")]

    assert not found(rule)


def test_no_update_of_states():
    """`QuerySet.update(state=…)` goes round the machine, its event and its posting."""

    def rule(source: Source):
        return [
            node.lineno
            for node in source.method_calls("update", "bulk_update")
            if any(keyword.arg == "state" for keyword in node.keywords)
        ]

    assert not found(rule)


def test_only_the_transport_speaks_http():
    """One place has timeouts, scrubbing, breaker and limits."""

    def rule(source: Source):
        clients = ("httpx", "httpcore", "requests", "urllib.request", "http.client", "aiohttp", "urllib3")
        return [line for line, name in source.imports() if name.startswith(clients)]

    assert not found(
        rule,
        "payments/providers/transport.py",
        "vendors/webhooks/delivery.py",
        "config/house.py",  # asks its own children whether they are up
        *DAY,
        *NOT_OURS_TO_ORDER,
    )


def test_no_signals():
    """A signal is a call nobody sees; news go through the outbox. After-migrate work is the exception."""

    def rule(source: Source):
        return [
            line
            for line, name in source.imports()
            if name.startswith(("django.db.models.signals.", "django.dispatch.", "django.core.signals."))
            and not name.endswith(".post_migrate")
        ]

    assert not found(rule)


def test_no_print():
    """Logs are JSON; commands write to their own stdout."""
    assert not found(lambda source: [n.lineno for n in source.calls("print")], *NOT_OURS_TO_ORDER)


def test_no_catch_all():
    """Catch the narrowest type: what is not anticipated is a defect and must be seen."""

    def rule(source: Source):
        return [
            node.lineno
            for node in ast.walk(source.tree)
            if isinstance(node, ast.ExceptHandler)
            and (node.type is None or dotted(node.type) in ("Exception", "BaseException"))
        ]

    assert not found(rule, *ISOLATORS, *NOT_OURS_TO_ORDER)


# Runners of other people's code that must note any failure in the row and go on with the next.
ISOLATORS = (
    "ledger/jobs.py",
    "ledger/outbox.py",
    "ledger/relay.py",
    "ledger/invariants.py",
    "fraud/engine/pipeline.py",
    "payments/services/calls/recovering.py",
    "payments/services/webhooks/webhook_applying.py",
)


def test_only_settings_read_the_environment():
    """One typed reader stops the start on nonsense."""

    def rule(source: Source):
        return [
            node.lineno
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Attribute) and dotted(node) == "os.environ"
        ]

    assert not found(rule, "config/", *NOT_OURS_TO_ORDER)


def test_the_door_of_a_package_opens_nothing():
    """Importing a package runs no code of ours; models and admin alone must be imported to register."""
    full = [
        source.path
        for source in sources()
        if source.path.endswith("__init__.py")
        and not source.path.endswith(("/models/__init__.py", "/admin/__init__.py"))
        and not source.path.startswith(NOT_OURS_TO_ORDER)
        and (
            [n for n in source.tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
            or [name for _, name in source.imports() if name.split(".")[0] in APPS]
        )
    ]
    assert not full
