"""Screen a payment: gather what is known, judge, write the check down. Idempotent per payment.

Three statements: the advisory locks; the facts (which also write the attempt down), with which the locks go
ahead; the check with its event. A payment that has its check already gets the same verdict again. When the
facts take longer than their limit, that phase is given up and a second one judges without them, each rule by
its declared posture: degraded, and said so in the check. `screen` opens its phases itself; who writes the
payment in the same phase calls `screen_here`, and runs that phase again when the facts were too slow.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection

from fraud import locks, rulebook, selectors
from fraud.engine import pipeline
from fraud.engine.features import Keys, features_from, keys_of
from fraud.engine.types import (
    VELOCITY_DIMENSIONS,
    Decision,
    Dimension,
    Features,
    Finding,
    Judgement,
    Rule,
    ScreeningRequest,
    Unknowable,
    Verdict,
)
from fraud.engine.velocity import FACTS_SQL, facts_parameters
from fraud.models import FraudCheck, FraudReview, Signal
from fraud.services.reviewing import EXPIRE_REVIEW
from ledger import clock, jobs, reading
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.locks import phased, require_phase, sqlstate
from ledger.recording import record

QUERY_CANCELED: Final = "57014"
TOO_SLOW: Final = "the facts took longer than their time limit"


class FactsTooSlow(RuntimeError):
    """The facts took longer than their limit; the phase is lost and may run again without them."""


def screen_here(request: ScreeningRequest, *, with_facts: bool = True) -> Verdict:
    """Return the verdict on a payment, in the caller's phase.

    :raises FactsTooSlow: give the phase up, and run it again with `with_facts=False`.
    """
    require_phase()
    started = clock.monotonic()
    keys = keys_of(request, settings.FRAUD_PEPPER)
    if not with_facts:
        return _judge_without_facts(request, keys, started)
    try:
        return _judge(request, keys, started)
    except OperationalError as error:
        if sqlstate(error) != QUERY_CANCELED:
            raise
        raise FactsTooSlow(TOO_SLOW) from error


def screen(request: ScreeningRequest) -> Verdict:
    """Return the verdict on a payment; the same one however often it is asked.

    Must be called outside any phase: it opens its own.

    :raises Busy: another screening of the same customer or method held on for longer than we wait.
    """
    started = clock.monotonic()
    keys = keys_of(request, settings.FRAUD_PEPPER)
    try:
        return _screen(request, keys, started)
    except OperationalError as error:
        if sqlstate(error) != QUERY_CANCELED:
            raise
    try:
        return _screen_without_facts(request, keys, started)
    except IntegrityError:  # somebody else finished it meanwhile: theirs is the check
        check = selectors.check_of(request.merchant_id, request.payment_ref)
        if check is None:
            raise
        return check.verdict()


@phased
def _screen(request: ScreeningRequest, keys: Keys, started: float) -> Verdict:
    return _judge(request, keys, started)


def _judge(request: ScreeningRequest, keys: Keys, started: float) -> Verdict:
    facts = _gather(request, keys)
    if facts["check_id"] is not None:
        return FraudCheck.objects.get(pk=facts["check_id"]).verdict()
    rules = rulebook.in_force(request.merchant_id, facts["rules_token"], request.at)
    return _write(request, keys, rules, features_from(facts, keys), facts["rules_token"] or "", started)


@phased
def _screen_without_facts(request: ScreeningRequest, keys: Keys, started: float) -> Verdict:
    return _judge_without_facts(request, keys, started)


def _judge_without_facts(request: ScreeningRequest, keys: Keys, started: float) -> Verdict:
    check = selectors.check_of(request.merchant_id, request.payment_ref)
    if check is not None:
        return check.verdict()
    signal = Signal(
        merchant_id=request.merchant_id,
        payment_ref=request.payment_ref,
        occurred_at=request.at,
        amount_minor=request.amount.minor,
        currency=request.amount.currency,
        country=request.country[:2].upper(),
        **{f"{dimension}_key": keys.get(dimension) for dimension in VELOCITY_DIMENSIONS},
    )
    Signal.objects.bulk_create([signal], ignore_conflicts=True)
    rules = rulebook.read_now(request.merchant_id, request.at)
    return _write(request, keys, rules, Unknowable(TOO_SLOW), "", started)


def _gather(request: ScreeningRequest, keys: Keys) -> dict[str, Any]:
    names = [request.payment_ref, *filter(None, map(keys.get, (Dimension.CUSTOMER, Dimension.METHOD)))]
    limit_ms = int(settings.FRAUD_FACTS_TIMEOUT_SECONDS * 1_000)
    locks.attempt(request.merchant_id, names, statement_timeout=f"{limit_ms}ms")
    with connection.cursor() as cursor:
        cursor.execute(FACTS_SQL, facts_parameters(request, keys, signal_id=uuid7()))
        names = [column.name for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))


def _write(
    request: ScreeningRequest,
    keys: Keys,
    rules: Sequence[Rule],
    known: Features | Unknowable,
    rules_token: str,
    started: float,
) -> Verdict:
    judgement = pipeline.run(request, known, rules)
    spent_us = int((clock.monotonic() - started) * 1_000_000)
    judgement = _with_budget(judgement, spent_us)
    check = reading.new(
        FraudCheck,
        merchant_id=request.merchant_id,
        payment_ref=request.payment_ref,
        amount_minor=request.amount.minor,
        currency=request.amount.currency,
        customer_key=keys.get(Dimension.CUSTOMER),
        features=known.as_json(),
        rules_token=rules_token,
        is_degraded=isinstance(known, Unknowable),
        duration_us=spent_us,
        occurred_at=request.at,
    )
    if judgement.decision is Decision.REVIEW:
        _write_for_review(check, judgement, request, pipeline.review_seconds(rules))
        return check.verdict()
    with record(check, actor=SYSTEM, at=request.at) as entry:
        check.keep(judgement)
        entry.announce(check.as_event())
    return check.verdict()


def _write_for_review(
    check: FraudCheck, judgement: Judgement, request: ScreeningRequest, open_seconds: int
) -> None:
    review = FraudReview(
        merchant_id=check.merchant_id,
        fraud_check=check,
        payment_ref=check.payment_ref,
        opened_at=request.at,
        expires_at=request.at + timedelta(seconds=open_seconds),
    )
    with record(check, review, actor=SYSTEM, at=request.at) as entry:
        check.keep(judgement)
        review.open()
        entry.announce(check.as_event())
        entry.announce(review.as_event(), subject=review)
    jobs.schedule(EXPIRE_REVIEW, str(review.id), review.expires_at)


def _with_budget(judgement: Judgement, spent_us: int) -> Judgement:
    budget_ms, spent_ms = settings.FRAUD_BUDGET_MS, spent_us // 1_000
    if spent_ms <= budget_ms:
        return judgement
    late = Finding("time_budget", 1, Decision.APPROVE, spent_ms, budget_ms, "ms")
    return Judgement(judgement.decision, judgement.score, judgement.level, (*judgement.findings, late))
