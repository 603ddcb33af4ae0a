"""What Stripe has of us, read: an operation by our key, a capture's fee, a payout. Nothing here moves money.

Stripe keeps an idempotency key for a day and finds nothing by it, so a lost answer is looked for in what
there is: a capture, void or refund in its intent, an authorization by our key in its metadata. All raise
ProviderUnavailable when Stripe does not answer and stripe.StripeError when it refuses.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import stripe

from payments.providers.errors import ProviderUnavailable, Unanswered
from payments.providers.notices import ProviderReport
from payments.providers.outcomes import Approved, Found, NotFound
from payments.providers.requests import Sought
from payments.providers.stripe import disputes, mapping, methods, reports
from payments.providers.stripe.mapping import Body, Expected

CLOCKS_APART: Final = timedelta(minutes=5)
PAGE: Final = 100
PAGES_MAX: Final = 20
SEARCHABLE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:")


class Lookup:
    """The reading half of the adapter, over the library's client."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def operation(self, wanted: Expected, sought: Sought | None) -> Found:
        """What Stripe has of an operation."""
        if wanted.kind in ("challenge", "accept") and sought and wanted.amount:
            dispute = plain(self._api.disputes.retrieve(sought.authorization))
            return disputes.found(dispute, wanted.idempotency_key, wanted.kind, wanted.amount)
        if wanted.kind == "refund" and sought:
            return self._refund(wanted, sought)
        if wanted.kind in ("capture", "void") and sought:
            intent = self._intent(sought.authorization)
            return self.with_fee(mapping.found(intent, wanted), intent, wanted)
        if wanted.kind == "verify" and sought:
            params = {"expand": ["data.payment_method"]}
            setup = self._made_then(self._api.setup_intents.list, params, wanted.idempotency_key, sought)
            return methods.verified(setup, wanted) if setup else NotFound()
        intent_id = self._intent_of_key(wanted.idempotency_key, sought)
        return mapping.found(self._intent(intent_id), wanted) if intent_id else NotFound()

    def with_fee(self, outcome: Any, body: Body, expected: Expected) -> Any:
        """Look for the fee of a capture whose charge does not tell it (any more); without it, it is zero."""
        if not isinstance(outcome, Approved) or outcome.details.get("fee") != mapping.NOT_TOLD:
            return outcome
        params = {"source": mapping.charge_id(body)}
        try:
            for balance in self._pages(self._api.balance_transactions.list, params):
                fee = mapping.fee_in(balance, outcome.amount)
                if fee is not None:
                    return replace(outcome, fee=fee, details={})
        except (ProviderUnavailable, stripe.StripeError):
            return outcome  # the settlement report tells it again
        return outcome

    def report(self, payout_id: str) -> ProviderReport:
        """A payout and its balance transactions."""
        payout = plain(self._api.payouts.retrieve(payout_id))
        rows = list(self._movements({"payout": payout_id, "expand": reports.EXPAND}))
        charges = {
            charge: list(self._movements({"source": charge, "type": "charge"}))
            for charge in reports.captured_in_parts(rows)
        }
        return reports.report(payout, rows, charges)

    def _refund(self, wanted: Expected, sought: Sought) -> Found:
        params: dict[str, Any] = {"payment_intent": sought.authorization}
        for refund in self._pages(self._api.refunds.list, params):
            if _key_of(refund) == wanted.idempotency_key:
                return mapping.found(refund, wanted)
        return NotFound()

    def _intent_of_key(self, key: str, sought: Sought | None) -> str:
        """The intent that an authorization made; empty when there certainly is none.

        The search is quick but late by a minute or more, so what it does not know is looked for among the
        intents made at the time, which are listed at once.

        :raises ProviderUnavailable: too many to look through, or not answered.
        """
        if not SEARCHABLE.issuperset(key):
            return ""
        query = f'metadata["operation"]:"{key}"'
        hits = _rows(plain(self._api.payment_intents.search({"query": query, "limit": 2})))
        if hits:
            return str(hits[0].get("id", ""))
        if sought is None:
            raise Unanswered("search_lags")
        made = self._made_then(self._api.payment_intents.list, {}, key, sought)
        return str(made.get("id", "")) if made else ""

    def _made_then(
        self, read: Callable[[Any], Any], params: Mapping[str, Any], key: str, sought: Sought
    ) -> Body | None:
        """The object of our key among those that were made at the time."""
        since, until = sought.since - CLOCKS_APART, sought.until + CLOCKS_APART
        created = {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
        made = self._pages(read, {**params, "created": created})
        return next((one for one in made if _key_of(one) == key), None)

    def _movements(self, params: Mapping[str, Any]) -> Iterator[Body]:
        return self._pages(self._api.balance_transactions.list, params, reports.PAGE, reports.PAGES_MAX)

    def _pages(
        self,
        read: Callable[[Any], Any],
        params: Mapping[str, Any],
        page_size: int = PAGE,
        pages_max: int = PAGES_MAX,
    ) -> Iterator[Body]:
        """The rows of a list, newest first, over its pages.

        :raises Unanswered: not shaped like one, or too long.
        """
        after: dict[str, str] = {}
        for _ in range(pages_max):
            page = plain(read({**params, **after, "limit": page_size}))
            rows = _rows(page)
            yield from rows
            if page.get("has_more") is not True or not rows:
                return
            after = {"starting_after": str(rows[-1].get("id", ""))}
        raise Unanswered("too_many_to_look_through")

    def _intent(self, intent_id: str) -> Body:
        if not mapping.is_reference(intent_id):
            raise Unanswered("bad_body")
        return plain(self._api.payment_intents.retrieve(intent_id, {"expand": mapping.EXPAND}))


def plain(answer: Any) -> Body:
    """The answer's JSON as plain dicts."""
    body: Body = answer.to_dict()
    return body


def _rows(page: Body) -> list[Body]:
    rows = page.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unanswered("bad_body")
    return rows


def _key_of(body: Body) -> object:
    metadata = body.get("metadata")
    return metadata.get("operation") if isinstance(metadata, dict) else None
