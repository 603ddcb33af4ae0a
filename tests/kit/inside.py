"""What a test asks from inside a house: run as `python -m tests.kit.inside FUNCTION ARGUMENTS`, prints JSON.

A test process is bound to the suite's own database; the books of a house are read in a process of that house.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import django

PAUSE_SECONDS = 0.25


def audit() -> list[dict[str, Any]]:
    """Hold books, invariants, seals and the networks' truth against each other."""
    from config.day import proof
    from config.day.networks import connected

    with connected(1) as networks:
        lines = proof.audit(networks)
    return [
        {"sentence": line.sentence, "looked_at": line.looked_at, "differences": list(line.differences)}
        for line in lines
    ]


def rest(unknown_seconds: str, all_seconds: str) -> dict[str, int]:
    """Wait until no operation is open, then until nothing is owed; return what is left when time is over."""
    from config.day import proof

    operations = proof.DEBTS[0]
    for debts, seconds in (((operations,), unknown_seconds), (proof.DEBTS, all_seconds)):
        deadline = time.monotonic() + float(seconds)
        while left := {name: count for name, debt in debts if (count := debt())}:
            if time.monotonic() > deadline:
                return left
            time.sleep(PAUSE_SECONDS)
    return {}


def points() -> list[str]:
    """Name every crash point that the house registers."""
    from ledger import crashpoints

    return sorted(crashpoints.registry)


def newcomer(name: str, vendors: str) -> dict[str, Any]:
    """Make a merchant with a key of all scopes and some vendors; return the key and the public ids.

    A stored card is tried at VelocityPay first, then at Stripe.
    """
    from config.day import opening
    from config.day.means import account_of
    from ledger import clock
    from ledger.actors import SYSTEM
    from vendors.services import keys, onboarding

    at = clock.now()
    merchant = onboarding.create_merchant(name=name, actor=SYSTEM, at=at)
    _, plaintext = keys.issue(merchant, None, actor=SYSTEM, at=at)
    opening.set_route(merchant)
    made = [
        onboarding.create_vendor(
            merchant_id=merchant.id,
            new=onboarding.NewVendor(
                external_id=vendor,
                name=vendor,
                category="books",
                payout_destination={"holder": vendor, "iban": account_of(vendor), "country": "DE"},
            ),
            actor=SYSTEM,
            at=at,
        ).public_id
        for vendor in vendors.split(",")
    ]
    return {"key": plaintext, "merchant": merchant.public_id, "vendors": made}


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "audit": audit,
    "rest": rest,
    "points": points,
    "newcomer": newcomer,
}


def main() -> None:
    """Run the function that is named and print its answer."""
    django.setup()
    json.dump(FUNCTIONS[sys.argv[1]](*sys.argv[2:]), sys.stdout)


if __name__ == "__main__":
    main()
