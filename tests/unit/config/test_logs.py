"""Redaction by construction: nothing that is secret leaves by a log line, whoever writes it."""

import io
import json
import logging
import re

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from config import logs
from ledger.card_numbers import is_luhn_valid

CARD = "4242424242424242"


@pytest.fixture
def lines():
    """Return a function that gives the JSON lines written so far."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.formatter())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    "secret",
    [
        CARD,
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "6011000990139424",
        "378282246310005",
        "6304000000000000000"[:19],
        "sk_live_51abcDEF",
        "sk_test_abc-DEF_1",
        "whsec_ZGV2ZWxvcG1lbnQ=",
        "vp_test_development_key",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_takes_out(secret):
    text = logs.scrub(f"before {secret}, after")
    assert secret not in text
    assert text.startswith("before ")
    assert text.endswith(", after")


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424241",  # fails the Luhn check
        "order 20261121 of 1234567",
        "42424242424242424242",  # twenty digits are no card number
        "pay_01jd5z9r0vfy8t6qk3m2",
        "Bearer",
    ],
)
def test_leaves(text):
    assert logs.scrub(text) == text


def test_takes_out_tokens_and_passwords_in_headers_and_addresses():
    assert logs.scrub("Authorization: Bearer abc.def") == "Authorization: Bearer [redacted]"
    assert logs.scrub("postgresql://shop:hunter2@db/x") == "postgresql://[redacted]@db/x"


@given(st.text("0123456789", min_size=12, max_size=18), st.text(max_size=20), st.text(max_size=20))
def test_no_card_number_passes(digits, before, after):
    check = next(d for d in "0123456789" if is_luhn_valid(digits + d))
    card = digits + check
    before, after = before.rstrip("0123456789 -"), after.lstrip("0123456789 -")
    if before[-1:].isdigit() or after[:1].isdigit():
        return
    assert card not in logs.scrub(before + card + after)


class TestTheWriter:
    def test_keeps_only_fields_on_the_list_and_names_the_others(self, lines):
        structlog.get_logger("everycent.test").info("done", status=200, cvc="123", holder="Carla")
        (line,) = lines()
        assert line["status"] == 200
        assert line["dropped"] == ["cvc", "holder"]
        assert "123" not in json.dumps({**line, "timestamp": ""})

    def test_scrubs_the_libraries_lines_too(self, lines):
        logging.getLogger("some.library").warning("sent %s with %s", CARD, "sk_live_abc")
        (line,) = lines()
        assert line["event"] == "sent [redacted] with [redacted]"

    def test_scrubs_exceptions(self, lines):
        try:
            raise ValueError(f"bad number {CARD}")
        except ValueError:
            logging.getLogger("some.library").exception("failed")
        (line,) = lines()
        assert "bad number [redacted]" in line["exception"]
        assert "ValueError" in line["exception"]

    def test_scrubs_numbers(self, lines):
        structlog.get_logger("everycent.test").info("x", reference=int(CARD), count=12)
        (line,) = lines()
        assert line["reference"] == "[redacted]"
        assert line["count"] == 12

    def test_scrubs_fields_of_plain_logging(self, lines):
        logging.getLogger("ledger").error("broken", extra={"number": "I-07", "cvc": "999"})
        (line,) = lines()
        assert line["number"] == "I-07"
        assert "999" not in line.values()
        assert "cvc" in line["dropped"]


class TestALineThatIsTold:
    FIELDS = {
        "event": "request", "request_id": "req_abcdefghijkmnpqrabcdefghijkmnpqr", "method": "GET",
        "route": "api/v1/payments/core/<str:id>", "status": 200, "ms": 1.2, "ip": "127.0.0.1",
        "api_key": "bnnuv1ku34o8",
    }  # fmt: skip

    def tell(self, **more):
        logs.tell(logging.getLogger("everycent.test"), logging.WARNING, {**self.FIELDS, **more})

    def test_is_written_as_it_is_by_the_short_way(self, lines, monkeypatch):
        monkeypatch.setattr(logs, "keep_allowed_fields", None)  # the long way is not gone
        self.tell()
        (line,) = lines()
        assert {name: line[name] for name in self.FIELDS} == self.FIELDS
        assert (line["level"], line["logger"]) == ("warning", "everycent.test")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", line["timestamp"])

    def test_is_looked_through_when_anything_in_it_may_be_secret(self, lines):
        self.tell(code=f"no {CARD}", reference=int(CARD), holder="Carla")
        (line,) = lines()
        assert (line["code"], line["reference"]) == ("no [redacted]", "[redacted]")
        assert line["dropped"] == ["holder"]
        assert "Carla" not in json.dumps(line)
