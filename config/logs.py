"""JSON logs: one object a line, and one canonical line for each request.

Redaction is by construction: only the fields named in FIELDS leave the process, and every text that leaves
passes through a net that takes out card numbers, API keys, webhook secrets and bearer tokens (law 7).
"""

import json
import logging
import logging.config
import re
import sys
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from ledger.card_numbers import is_luhn_valid
from ledger.masking import SECRETS, may_hold_secrets

_OF_A_LINE = ("event", "level", "logger", "timestamp", "process", "exception", "dropped")
_OF_A_REQUEST = ("request_id", "method", "route", "status", "ms", "merchant", "api_key", "staff", "ip",
                 "code", "idempotency_key_hash", "payment", "subject")  # fmt: skip
_OF_A_TASK = ("task", "task_id", "queue", "kind", "reference", "tries", "lateness_ms", "count", "seconds",
              "number", "violations", "job_id", "error")  # fmt: skip
_OF_MONEY = (
    "amount_minor",
    "currency",
    "provider",
    "operation",
    "outcome",
    "reason",
    "state",
    "edge",
    "step",
)
FIELDS = frozenset({*_OF_A_LINE, *_OF_A_REQUEST, *_OF_A_TASK, *_OF_MONEY, "url", "port", "child"})
TEXT_MAX = 4000
_APART: Final = "\n\n\n"  # no number and no secret reaches over it
_encode: Final = json.JSONEncoder(check_circular=False).encode
_CARD_NUMBERS_FROM = 10**12
MASK = "[redacted]"

# 13 to 19 digits, with single spaces or dashes between them, not inside a longer run of digits
_DIGIT_RUN = re.compile(r"(?<![0-9])(?:[0-9][ -]?){12,18}[0-9](?![0-9])")


def scrub(text: str) -> str:
    """Return `text` without card numbers (13 to 19 digits, Luhn-valid), keys, secrets and tokens."""
    if not may_hold_secrets(text):
        return text
    return _DIGIT_RUN.sub(_mask_card, SECRETS.sub(MASK, text))


class Told(logging.LogRecord):
    """A line whose fields are ready: `msg` holds them, as they are written (and looked through again)."""


def tell(logger: logging.Logger, level: int, fields: dict[str, Any]) -> None:
    """Write a line with these fields. The way round through the libraries takes longer than all else that is
    written of a request."""
    if logger.isEnabledFor(level):
        logger.handle(Told(logger.name, level, "", 0, fields, (), None))


def configure(level: str = "INFO") -> None:
    """Send every log line of this process, ours and the libraries', through the same JSON writer."""
    logging.config.dictConfig(settings(level))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def settings(level: str) -> dict[str, Any]:
    """Return the dictionary for `logging.config`: one handler to standard error, one formatter."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "config.logs.formatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": sys.stderr}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"handlers": [], "propagate": True},
            "django.request": {"level": "ERROR"},  # a 4xx is in the canonical line already
            "celery.app.trace": {"level": "WARNING"},  # two lines a task and nothing we do not count
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }


def formatter() -> logging.Formatter:
    """Build the formatter that writes allowed fields, scrubbed, as one JSON object."""
    return _Writer(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exception_as_text,
            keep_allowed_fields,
            structlog.processors.JSONRenderer(),
        ],
    )


class _Writer(structlog.stdlib.ProcessorFormatter):
    """Writes `Told` lines itself, all others by the steps it was made with."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a line."""
        if not isinstance(record, Told):
            return super().format(record)
        told: dict[str, Any] = record.msg  # type: ignore[assignment]
        line: dict[str, Any] = {
            **told,
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        # What is added here is of our making; the moment has as many digits as a card number.
        return _encode(line if _is_harmless(told) else keep_allowed_fields(None, "", line))


def _is_harmless(line: dict[str, Any]) -> bool:
    """Say whether all that is told may be written as it is: one look at all texts, instead of one at each."""
    texts = [value for value in line.values() if isinstance(value, str)]
    numbers = (value for value in line.values() if not isinstance(value, str))
    return (
        FIELDS.issuperset(line)
        and not may_hold_secrets(_APART.join(texts))
        and max(map(len, texts)) <= TEXT_MAX
        and all(
            number is None or (isinstance(number, int | float) and -1e9 < number < 1e9) for number in numbers
        )
    )


def keep_allowed_fields(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Drop what is not in FIELDS (naming what was dropped) and scrub every text that stays."""
    kept = {name: _plain(value) for name, value in event.items() if name in FIELDS}
    dropped = sorted(name for name in event if name not in FIELDS and not name.startswith("_"))
    if dropped:
        kept["dropped"] = [scrub(name) for name in dropped]
    return kept


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -_CARD_NUMBERS_FROM < value < _CARD_NUMBERS_FROM:
        return value
    if isinstance(value, int | float):
        text = str(value)
        return value if scrub(text) == text else MASK
    return scrub(str(value))[:TEXT_MAX]


def _exception_as_text(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    # Frames without their variables: locals may hold a card number.
    information = event.pop("exc_info", None)
    if information is True:
        information = sys.exc_info()
    if isinstance(information, BaseException):
        information = (type(information), information, information.__traceback__)
    if isinstance(information, tuple) and information[0] is not None:
        event["exception"] = "".join(traceback.format_exception(*information))[-TEXT_MAX:]
    return event


def _mask_card(match: "re.Match[str]") -> str:
    digits = re.sub(r"[ -]", "", match.group())
    return MASK if is_luhn_valid(digits) else match.group()
