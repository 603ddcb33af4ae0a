"""Law 7: a card number and its code stand nowhere: not in a table, a log, an error, a repr, a traceback.

A fresh number goes every way that there is, also through failures; then every column of every table, Valkey,
every log line and every answer is searched for it, plain, spaced, and in hexadecimal.
"""

import base64
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings as configured
from django.http import HttpResponse
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

from config import logs
from ledger import clock
from ledger.actors import SYSTEM
from payments.providers.velocitypay.client import VelocityPay
from payments.vault import envelope, exchange, instruments, tokens
from tests.api.test_payment_methods import METHODS, Till
from tests.factories import disputes
from tests.factories import payments as rows
from tests.kit import cards
from tests.kit.api_client import MerchantClient
from tests.kit.network import Network
from tests.kit.shop import good
from tests.kit.tables import tables_with
from vendors.models import Merchant

pytestmark = pytest.mark.django_db
CODE = "731949"  # longer than a real one, so that it is found nowhere by chance


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Everything that is logged at any level, as it would be written, and as it was said."""
    found: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(logs.formatter().format(record))
            found.append(f"{record.getMessage()} {record.__dict__}")

    handler, root = Keeping(level=0), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield found
    root.setLevel(level)
    root.removeHandler(handler)


def forms(number: str) -> list[str]:
    spaced = " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    return [number, spaced, spaced.replace(" ", "-"), number.encode().hex(), number[:-4]]


def in_valkey(text: str) -> list[str]:
    client = redis.Redis.from_url(configured.REDIS_URL)
    kinds = {b"string": client.get, b"list": lambda key: client.lrange(key, 0, -1), b"hash": client.hgetall}
    return [
        repr(key) for key in client.scan_iter(count=1000)
        if text in repr(key) or text in repr(kinds.get(client.type(key), lambda _: "")(key))
    ]  # fmt: skip


@pytest.fixture
def till(merchant_client: MerchantClient, northwind: Merchant, network: Network) -> Till:
    return Till(merchant_client, northwind)


def test_a_search_finds_what_is_there(northwind: Merchant) -> None:
    """Else finding nothing would mean nothing."""
    assert "vendors_merchant" in tables_with(northwind.name)
    assert "vendors_merchant" in tables_with("nowhere", northwind.pk.hex[:8])


def test_it_is_nowhere(till: Till, network: Network, lines: list[str], monkeypatch: Any) -> None:
    typed = cards.card()
    number = typed["number"]
    till.client._client.raise_request_exception = False
    answers = [repr(till.card(typed, verify=True))]
    # The network is away; the sealing breaks; the tokenizing breaks; a code is wrong; the key died.
    network.down()
    answers.append(repr(till.card(typed, verify=True)))
    network.down(False)
    for place, name in ((envelope, "seal"), (VelocityPay, "tokenize"), (tokens, "fingerprint")):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, _break)
            body = till.body(encrypted=till.encrypted(typed), metadata={"a": "b"})
            answer = till.client.post(METHODS, body)
            assert answer.status_code == 500
            answers.append(answer.content.decode())
    wrong = till.body(encrypted=till.encrypted({**typed, "cvc": CODE}))
    answers.append(till.client.post(METHODS, wrong).content.decode())
    for where in ("customer_id", "encrypted", "type"):
        body = {**till.body(encrypted=till.encrypted(typed)), where: number}
        answers.append(till.client.post(METHODS, body).content.decode())
    answers.append(till.client.post(METHODS, till.body(metadata={"note": number})).content.decode())
    answers.append(till.client.get(f"{METHODS}customer/{number}").content.decode())
    paid = {
        "amount": {"amount": 100, "currency": "USD"}, "order_id": number, "customer_id": till.customer,
        "payment_method": {"type": "card", "token": "t"},
    }  # fmt: skip
    answers.append(till.client.post("/api/v1/payments/core/", paid).content.decode())
    assert len(lines) > 40
    for form in forms(number):
        # The first twelve digits stand nowhere either: a BIN of eight and the last four do.
        assert not [answer for answer in answers if form in answer], form
        assert not [line for line in lines if form in line], form
    assert tables_with(*forms(number)) == []
    assert tables_with(CODE, f'"{cards.CVC}"', f"'{cards.CVC}'") == []
    assert not [text for text in (*answers, *lines) if CODE in text]
    assert in_valkey(number) == []


@pytest.mark.parametrize(
    ("place", "status"),
    [("key", 400), ("agent", 201), ("request id", 201), ("address", 404), ("query", 200), ("file", 400),
     ("reason", 400), ("track", 400)],
)  # fmt: skip
def test_it_is_nowhere_when_it_is_sent_where_none_belongs(
    till: Till, northwind: Merchant, lines: list[str], place: str, status: int
) -> None:
    """J01: in a header, an address, a file's name, words for people, or as a magnetic stripe tells it."""
    number = cards.number()
    payment = rows.captured_payment(northwind)
    refund = {"payment_id": payment.public_id, "amount": 100}
    core, dispute = f"/api/v1/payments/core/{payment.public_id}", disputes.chargeback(payment, amount=100)
    evidence = f"/api/v1/disputes/{dispute.public_id}/evidence"
    pdf = {"kind": "receipt", "content": base64.b64encode(b"%PDF-1.7\n").decode()}
    send: dict[str, Callable[[], HttpResponse]] = {
        "key": lambda: till.client.post("/api/v1/refunds/", refund, key=number),
        "agent": lambda: till.client.post("/api/v1/refunds/", refund, User_Agent=f"shop {number}"),
        "request id": lambda: till.client.post("/api/v1/refunds/", refund, X_Request_Id=number),
        "address": lambda: till.client.put(f"/api/v1/payments/core/{number}/capture", {}),
        "query": lambda: till.client.get(f"{core}?starting_after={number}&note={number}"),
        "file": lambda: till.client.post(evidence, {**pdf, "filename": f"{number}.pdf"}),
        "reason": lambda: till.client.post("/api/v1/refunds/", {**refund, "reason": f"card {number}"}),
        "track": lambda: till.client.post(
            "/api/v1/refunds/", {**refund, "reason": f";{number}=40121010000012300001?"}
        ),
    }
    answer = send[place]()
    assert answer.status_code == status, answer.content
    assert len(lines) > 0
    for form in forms(number):
        assert form not in answer.content.decode() + repr(answer.headers), form
        assert not [line for line in lines if form in line], form
    assert tables_with(*forms(number)) == []
    assert in_valkey(number) == []


def test_it_is_in_no_repr(till: Till) -> None:
    typed = next(one for one in iter(cards.card, None) if cards.CVC not in one["number"])  # its end is shown
    what = instruments.read("card", typed, at=clock.now(), where="encrypted", is_live=False)
    given = tokens.Given("card", till.merchant.pk, False, details=typed)
    shown = f"{what!r} {given!r} {instruments.Details(typed, 'encrypted')!r} {what}"
    assert typed["number"] not in shown
    assert cards.CVC not in shown


@pytest.mark.parametrize("place", ["read", "open", "seal", "tokenize"])
def test_it_is_in_no_page_of_an_error(till: Till, monkeypatch: Any, place: str, settings: Any) -> None:
    """Django's page for developers shows the variables of each frame: those of the vault it does not."""
    settings.DEBUG = False
    typed = cards.card()
    broken = {
        "read": (instruments, "_card_expiry"), "open": (exchange, "_derived"), "seal": (envelope, "AESGCM"),
        "tokenize": (VelocityPay, "tokenize"),
    }[place]  # fmt: skip
    text = till.encrypted(typed)
    monkeypatch.setattr(*broken, _break)
    from payments.services.methods import adding_methods

    wanted = adding_methods.NewMethod(
        till.customer, "card", tokens.Given("card", till.merchant.pk, False, encrypted=text)
    )
    from ledger.ids import uuid7

    try:
        adding_methods.add(
            merchant_id=till.merchant.pk, method_id=uuid7(), wanted=wanted, actor=SYSTEM, at=clock.now()
        )
    except RuntimeError:
        request = RequestFactory().post(METHODS)
        page = ExceptionReporter(request, *sys.exc_info()).get_traceback_text()
    else:
        pytest.fail("nothing broke")
    assert "broken on purpose" in page
    assert not [form for form in forms(typed["number"]) if form in page]
    assert f"'{cards.CVC}'" not in page


def test_a_payment_with_a_stored_card_shows_none(till: Till, lines: list[str]) -> None:
    typed = cards.card()
    made = till.card(typed)
    assert made["last4"] == typed["number"][-4:]
    good(till.client.get(METHODS + made["id"]), 200)
    assert tables_with(*forms(typed["number"])) == []
    assert not [line for line in lines if typed["number"] in line]


def _break(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("broken on purpose")
