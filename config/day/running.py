"""Takes one plan through the day and proves it; keeps the day book, so that nothing is done twice."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from django.conf import settings

from config.day import books, opening, proof
from config.day.client import Api
from config.day.daybook import Daybook, Shelf
from config.day.networks import Networks, connected
from config.day.orders_csv import OrdersFile
from config.day.plan import RunPlan
from config.day.scenario import LANES, Day
from config.day.wallet import Wallet
from ledger.ids import show
from vendors.models import Merchant

FINDINGS_SHOWN_MAX: Final = 100

Say = Callable[[str], None]


def take_day(plan: RunPlan, shelf: Shelf, say: Say) -> Daybook:
    """Take the plan through the day, or return its book when that was done and proved before.

    :raises NoAnswer: house or network stay silent. :raises Refused: an answer that the day does not expect.
    """
    merchant = opening.marketplace()
    book = shelf.find(plan.name)
    if book and book.is_done and book.holds and _is_of_these_books(book, merchant):
        say(f"{plan.title}: taken before, not repeated")
        return book
    book = Daybook(plan.name, plan.title, plan.business_date, merchant=show("mer", merchant.id))
    shelf.keep(book)
    if plan.is_file:
        opening.set_rules_for_a_file(merchant, {order.currency for order in plan.orders()})
    else:
        opening.set_rules_for_customers(merchant)
        opening.set_route(merchant)
    with opening.api_key(merchant) as key:
        _take(plan, merchant, key, book, say)
    shelf.keep(book)
    return book


def report_findings(orders: OrdersFile, folder: Path, say: Say) -> None:
    """Say what of an orders file cannot be paid: all of it in a file, the first lines here."""
    summary = orders.summary()
    say(
        f"{summary.lines} lines: {summary.lines_paid} in {summary.orders_paid} orders can be paid,"
        f" {summary.lines_refused} in {summary.orders_refused} orders or alone cannot"
    )
    for code, count in orders.refused_by_code().items():
        say(f"  {count} x {code}")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"file-{orders.digest[:16]}-findings.csv"
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "order_id", "paid", "code", "reason"))
        for finding in orders.noted():
            writer.writerow((finding.line, finding.order_id, "yes", finding.code, finding.reason))
        for number, finding in enumerate(orders.refused()):
            writer.writerow((finding.line, finding.order_id, "no", finding.code, finding.reason))
            if number < FINDINGS_SHOWN_MAX:
                say(f"  line {finding.line}: order {finding.order_id or '(none)'}: {finding.reason}")
    if summary.lines_refused > FINDINGS_SHOWN_MAX:
        say(f"  and {summary.lines_refused - FINDINGS_SHOWN_MAX} more")
    say(f"  each line with its reason: {target}")


def _take(plan: RunPlan, merchant: Merchant, key: str, book: Daybook, say: Say) -> None:
    api = Api(settings.EVERYCENT_URL, key, connections=2 * LANES)
    try:
        with connected(LANES) as networks:
            _live(plan, merchant, api, networks, book, say)
    finally:
        api.close()


def _live(plan: RunPlan, merchant: Merchant, api: Api, networks: Networks, book: Daybook, say: Say) -> None:
    began = time.monotonic()
    day = Day(plan, api, networks, Wallet(plan, api, show("mer", merchant.id)), say)
    day.open()
    opened = time.monotonic()
    day.take_orders()
    paying_seconds = time.monotonic() - opened
    day.give_refunds()
    day.draw_debits()
    day.settle()
    day.close_bank()
    proof.wait_for_debts()
    with books.reading():
        found = books.read_books(merchant.id, plan.name, day.seen)
    lines = proof.prove(plan, merchant.id, day.seen, found, networks)
    facts = (
        f"{time.monotonic() - began:.1f} s wall time, {plan.order_count} payments in {paying_seconds:.1f} s:"
        f" {plan.order_count / paying_seconds:.1f} a second, captured and at rest",
    )
    book.with_figures(found, {vendor.external_id: vendor.name for vendor in plan.vendors})
    book.report = proof.report(lines, facts)
    book.holds = all(line.holds for line in lines)
    book.is_done = True


def _is_of_these_books(book: Daybook, merchant: Merchant) -> bool:
    """Say whether a kept book is about this database: the folder may outlive it, or serve another."""
    taken = sum(line["orders"] for line in book.figures["currencies"].values())
    is_same = book.merchant == show("mer", merchant.id)
    return is_same and books.payments_of(merchant.id, book.run).count() == taken
