"""What one run of the day is: its name, its vendors and orders, its business date.

The name decides every Idempotency-Key, so a run that was killed goes on where it was and repeats nothing.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from config.day.generator import DayPlan
from config.day.orders_csv import OrdersFile
from config.day.shapes import Order, VendorPlan

KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One business day to be taken through the house; `orders` can be asked for again and again."""

    name: str
    title: str
    business_date: str
    vendors: tuple[VendorPlan, ...]
    orders: Callable[[], Iterable[Order]]
    order_count: int
    is_file: bool = False

    def key(self, *what: str) -> str:
        """Return the Idempotency-Key of one act of this run: always the same, visible ASCII."""
        digest = hashlib.blake2b("\x1f".join((self.name, *what)).encode(), digest_size=KEY_BYTES)
        return f"day-{what[0]}-{digest.hexdigest()}"


def generated(day: DayPlan, business_date: str) -> RunPlan:
    """Return the run of a generated day."""
    name = f"seed-{day.seed}-orders-{len(day.orders)}-day-{day.day}"
    title = f"day {day.day} of seed {day.seed}"
    return RunPlan(name, title, business_date, day.vendors, lambda: day.orders, len(day.orders))


def from_file(orders: OrdersFile, file_name: str, business_date: str) -> RunPlan:
    """Return the run of an orders file, named by its content."""
    return RunPlan(
        name=f"file-{orders.digest[:16]}",
        title=f"the orders of {file_name}",
        business_date=business_date,
        vendors=tuple(orders.vendors()),
        orders=orders.orders,
        order_count=orders.summary().orders_paid,
        is_file=True,
    )
