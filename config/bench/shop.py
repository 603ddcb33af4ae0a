"""The merchant of a measurement, made through the house's own services, with its customers' cards."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import httpx
from django.conf import settings
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from config.bench.wire import Refused
from ledger import clock, ids
from ledger.actors import SYSTEM
from vendors.services import keys, onboarding
from vendors.services.onboarding import CommissionTerms, NewVendor

CARDS = 1_500  # each pays a few times only, or the screening would take us for a card tester
IBAN = {"holder": "Ada Lovelace", "iban": "DE89370400440532013000", "country": "DE"}


@dataclass(slots=True)
class Shop:
    """A merchant made for the measurement: its key, two vendors, and the tokens of its customers' cards.

    Several threads take turns at the tokens; `next` of `cycle` is one step of the interpreter.
    """

    key: str
    vendors: tuple[str, str]
    tokens: tuple[str, ...]
    _turn: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._turn = cycle(self.tokens)

    def body(self, order: str, *, at_once: bool = False) -> dict[str, Any]:
        """Return a payment of 19.99 USD, split over both vendors; customers and cards take turns.

        `at_once`: to be authorized and captured by the same call.
        """
        return {
            "amount": {"amount": 1999, "currency": "USD"},
            "order_id": order,
            "customer_id": f"customer-{order}",
            "payment_method": {"type": "card", "token": next(self._turn)},
            "capture_method": "automatic" if at_once else "manual",
            "confirm": at_once,
            "vendor_split": [
                {"vendor_id": self.vendors[0], "amount": 1200},
                {"vendor_id": self.vendors[1], "amount": 799},
            ],
        }


def open_shop() -> Shop:
    """Make the merchant, its vendors and key through the house's own services, and its customers' cards."""
    at = clock.now()
    merchant = onboarding.create_merchant(name="Benchmark", actor=SYSTEM, at=at)
    vendors = []
    for name in ("Ada", "Bruno"):
        new = NewVendor(
            external_id=f"bench-{name}", name=name, category="books", payout_destination=IBAN,
            commission=CommissionTerms(1000, 0, ""),
        )  # fmt: skip
        vendor = onboarding.create_vendor(merchant_id=merchant.pk, new=new, actor=SYSTEM, at=at)
        vendors.append(vendor.public_id)
    _, key = keys.issue(merchant, actor=SYSTEM, at=at, label="benchmark")
    return Shop(key, (vendors[0], vendors[1]), _tokens())


def count_queries(shop: Shop) -> dict[str, int]:
    """Return the number of statements of each hot endpoint, in this process, once everything is warm."""
    browser = Browser(headers={"authorization": f"Bearer {shop.key}"})
    counts: dict[str, int] = {}
    for _ in range(3):
        order = f"queries-{ids.uuid7()}"
        payment = _counted(browser, counts, "create", "post", "/api/v1/payments/core/", shop.body(order), 201)
        path = f"/api/v1/payments/core/{payment['id']}"
        _counted(browser, counts, "authorize", "put", f"{path}/authorize", {}, 200)
        _counted(browser, counts, "capture", "put", f"{path}/capture", {}, 200)
        _counted(browser, counts, "get", "get", path, None, 200)
        body = shop.body(f"{order}-1", at_once=True)
        _counted(browser, counts, "one call", "post", "/api/v1/payments/core/", body, 201)
    return counts


def _tokens() -> tuple[str, ...]:
    bearer = {"Authorization": f"Bearer {settings.VELOCITYPAY_API_KEY}"}
    with httpx.Client(base_url=settings.VELOCITYPAY_URL, headers=bearer, timeout=10) as network:
        answers = [network.post("/v1/tokens", json=_card(number)) for number in range(CARDS)]
    return tuple(answer.raise_for_status().json()["token"] for answer in answers)


def _card(number: int) -> dict[str, object]:
    digits = f"45399{number:010d}"
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in digits[::-1][::2])
    check = -(sum(doubled) + sum(int(digit) for digit in digits[::-1][1::2])) % 10  # Luhn, ISO/IEC 7812-1
    return {"number": f"{digits}{check}", "exp_month": 12, "exp_year": 2035, "cvc": "123"}


def _counted(
    browser: Browser, counts: dict[str, int], name: str, method: str, path: str, body: Any, expected: int
) -> Any:
    extra = {"content_type": "application/json"} if body is not None else {}
    headers = {"idempotency-key": f"count-{ids.uuid7()}"}
    with CaptureQueriesContext(connection) as captured:
        answer = getattr(browser, method)(path, data=body, headers=headers, **extra)
    if answer.status_code != expected:
        raise Refused(f"{method} {path} answered {answer.status_code}: {answer.content[:300]!r}")
    counts[name] = len([query for query in captured if not query["sql"].startswith(("BEGIN", "COMMIT"))])
    return answer.json()
