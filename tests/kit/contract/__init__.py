"""The sponsor's contract as a table: for each row what is called, and what must come back.

A row is written down as functions that set the stage and say what is sent; `tests/api/test_contract_rows.py`
runs them over HTTP and asks of each what every row must do (scopes, fields, keys, pages).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.kit.checkout import Till
from tests.kit.shop import Shop
from vendors.models import Merchant, Vendor

NOWHERE = "01kagm3c8qf3p8w0t5y5r4d2ne"


@dataclass(frozen=True)
class Scene:
    """Northwind's shop on the sandbox network, its checkout, and the two vendors it sells for."""

    shop: Shop
    till: Till
    northwind: Merchant
    ada: Vendor
    bruno: Vendor

    def sold(self, step: str = "captured", card: str = "visa", **options: Any) -> dict[str, Any]:
        """Return a payment of 100.00 USD of which Ada has 60.00, brought to a step."""
        lines = [{"vendor_id": self.ada.public_id, "amount": 6_000}]
        found: dict[str, Any] = getattr(self.shop, step)(card, **{"vendor_split": lines, **options})
        return found


@dataclass(frozen=True)
class Call:
    """One request, and what its answer must say: `says` maps a dotted path to a value, or to a test of it.

    `rows` are the ids that a list must hold, the newest first.
    """

    names: dict[str, str] = field(default_factory=dict)
    body: Any = None
    status: int = 200
    says: dict[str, Any] = field(default_factory=dict)
    rows: list[str] | None = None


Stage = Callable[[Scene], Call]


@dataclass(frozen=True)
class Row:
    """One row of the contract.

    `stage` is the good case; `others` are further answers that the row may give, and refusals by state.
    `bad` are changes of the good body with the parameter that the problem must name. `missing` is the code
    of the 404 for ids that are nowhere; without one a name that is nowhere has an empty list. `keeps`,
    `drops` and `wrong` are query strings of a list: they leave all rows, leave none, are refused by name.
    """

    controller: str
    method: str
    path: str
    scope: str
    stage: Stage
    others: dict[str, Stage] = field(default_factory=dict)
    bad: tuple[tuple[dict[str, Any], str], ...] = ()
    missing: str = ""
    key: str = ""
    keeps: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def get(value: Any, path: str) -> Any:
    """Return what lies at a dotted path of a parsed JSON document."""
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def usd(minor: int) -> dict[str, Any]:
    """Return an amount of dollars as it is answered."""
    return {"amount": minor, "currency": "USD"}


def given(value: Any) -> bool:
    """Say whether something is told at all."""
    return value not in (None, "", [], {})


def like(start: str) -> Callable[[Any], bool]:
    """Return a test: the text begins so."""
    return lambda value: isinstance(value, str) and value.startswith(start)


PERIOD_KEEPS = ("created_from=2020-01-01T00:00:00Z", "created_to=2099-01-01T00:00:00Z")
PERIOD_DROPS = ("created_to=2020-01-01T00:00:00Z", "created_from=2099-01-01T00:00:00Z")
PERIOD_WRONG = ("created_from=yesterday", "created_to=2026-01-01")
MONEY_KEEPS, MONEY_DROPS, MONEY_WRONG = ("currency=USD",), ("currency=EUR",), ("currency=usd",)
