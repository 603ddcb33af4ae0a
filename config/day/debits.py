"""Debits by a bank's file, as far as they need more than a merchant's patience: the bank's next day.

A debit waits for the house's next file, and moves on the bank day after that. Here the platform's operator
hurries its own timetable (gather, hear), and the sandbox's operator lets the bank day come.
"""

from typing import Final

from config.day.networks import Networks
from ledger import jobs

GATHER_TASK: Final = "payments.tasks.gather_bank_entries"
HEAR_TASK: Final = "payments.tasks.hear_banks"
QUEUE: Final = "money"


def gather() -> None:
    """Have what waits put into files now rather than with the next minute."""
    jobs.hurry(GATHER_TASK, QUEUE)


def hear() -> None:
    """Have the bank's files taken in now rather than with the next minute."""
    jobs.hurry(HEAR_TASK, QUEUE)


def due_day(networks: Networks, holders: set[str]) -> str:
    """Return the bank day by which all holders' debits move; empty while the bank has not all of them."""
    due = {entry["holder"].upper(): str(entry["due"]) for desk in networks.desks for entry in desk.entries()}
    return max(due[holder] for holder in holders) if holders <= due.keys() else ""


def let_day_come(networks: Networks, day: str) -> None:
    """Let what is due by a bank day settle when a day is closed next."""
    for desk in networks.desks:
        desk.let_come(day)
