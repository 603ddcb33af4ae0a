"""Warnings before an answer to a dispute is due, by mail through a real mail server on loopback."""

import os
from datetime import datetime, timedelta

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from ledger import clock, jobs, outbox
from ledger.actors import SYSTEM
from ledger.ids import show
from ledger.models import AuditRecord, Event, Job
from payments.models import Dispute
from payments.rules import dispute_reasons
from payments.services.disputes import mailing_disputes, warning_disputes
from tests.factories import disputes
from tests.factories import payments as rows
from tests.factories import vendors as factory
from tests.kit.postbox import Postbox
from tests.kit.postbox import postbox as postbox
from vendors.models.merchants import BadNoticeAddress
from vendors.services import notices

ADDRESS = "payments@northwind.example"


def disputed(address: str = ADDRESS) -> Dispute:
    """A chargeback of a merchant who named an address; its time is up in thirty days."""
    merchant = factory.create_merchant("Northwind", notice_address=address)
    return disputes.chargeback(rows.captured_payment(merchant, order_ref="order-77"))


def before(dispute: Dispute, **left: float) -> datetime:
    assert dispute.due_at is not None
    return dispute.due_at - timedelta(**left)


def work(dispute: Dispute, at: datetime) -> None:
    """Do what workers do with the news of a dispute."""
    outbox.relay_all(at)
    for job in Job.objects.filter(kind=mailing_disputes.JOB, reference__startswith=str(dispute.pk)):
        jobs.run(job.pk, at)


@pytest.mark.django_db
class TestWarning:
    def test_comes_once_for_each_threshold(self, postbox: Postbox) -> None:
        dispute = disputed()
        for days in range(29, 0, -1):
            at = before(dispute, days=days, seconds=-1)
            for _ in range(2):
                warning_disputes.sweep(at)
                work(dispute, at)
        subjects = [letter["Subject"] for letter in postbox.letters]
        assert subjects == [
            f"Dispute {dispute.number}: answer due in {left}"
            for left in ("14 days", "7 days", "3 days", "1 day")
        ]
        assert len({letter["Message-ID"] for letter in postbox.letters}) == 4

    def test_says_what_to_do_until_when_and_where(self, postbox: Postbox) -> None:
        dispute = disputed()
        at = before(dispute, days=7)
        warning_disputes.sweep(at)
        work(dispute, at)
        (letter,) = postbox.letters
        assert (letter["To"], letter["Auto-Submitted"]) == (ADDRESS, "auto-generated")
        event = Event.objects.get(subject_id=dispute.pk, type="dispute.evidence_due_soon")
        assert letter["Message-ID"] == f"<{show('evt', event.pk)}@everycent.invalid>"
        text, url = letter.get_content(), f"http://127.0.0.1:8000/api/v1/disputes/{dispute.public_id}"
        assert text.startswith(f"7 days are left to answer dispute {dispute.number}.")
        for told in (
            dispute.payment.number, "order-77", "100.00", "chargeback",
            dispute_reasons.title("visa", "10.4"), f"{dispute.due_at:%Y-%m-%d %H:%M} (UTC)",
            f"{url}/evidence", f"{url}/challenge", f"{url}/accept", "are not there yet",
        ):  # fmt: skip
            assert told in text, told
        assert "\n\n\n" not in text

    def test_goes_nowhere_without_an_address(self, postbox: Postbox) -> None:
        dispute = disputed(address="")
        at = before(dispute, days=7)
        warning_disputes.sweep(at)
        work(dispute, at)
        assert Job.objects.get(reference__startswith=str(dispute.pk)).finished_at is not None
        assert postbox.tried == 0

    def test_is_not_sent_late_when_the_dispute_is_over(self, postbox: Postbox) -> None:
        dispute = disputed()
        at = before(dispute, days=7)
        warning_disputes.sweep(at)
        told = disputes.notice(
            dispute.payment, reference=dispute.provider_reference, version=2, standing="won"
        )
        assert disputes.follow(told, at).state == "won"
        work(dispute, at)
        assert postbox.tried == 0

    def test_waits_for_a_mail_server_that_takes_none_now(self, postbox: Postbox) -> None:
        dispute = disputed()
        at = before(dispute, days=7)
        warning_disputes.sweep(at)
        postbox.refusals = 2
        for minutes in range(4):
            work(dispute, at + timedelta(minutes=minutes))
        assert (postbox.tried, len(postbox.letters)) == (3, 1)

    def test_is_put_off_for_longer_each_time(self, postbox: Postbox) -> None:
        dispute = disputed()
        at = before(dispute, days=7)
        warning_disputes.sweep(at)
        postbox.refusals = 100
        pauses = []
        for _ in range(10):
            work(dispute, at)
            job = Job.objects.get(reference__startswith=str(dispute.pk))
            assert (job.dead_at, job.finished_at) == (None, None)
            pauses.append(round((job.run_at - at).total_seconds()))
            at = job.run_at
        assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
        assert postbox.tried == 10

    @pytest.mark.parametrize(
        ("refusal", "words"), [({"unknown": ADDRESS}, "no such mailbox"), ({"unwanted": True}, "not wanted")]
    )
    def test_that_is_refused_for_good_is_not_sent_again_and_the_desk_sees_it(
        self, postbox: Postbox, admin_client: Client, refusal: dict[str, object], words: str
    ) -> None:
        dispute = disputed()
        at = before(dispute, days=7)
        warning_disputes.sweep(at)
        for name, value in refusal.items():
            setattr(postbox, name, value)
        for hours in range(5):
            work(dispute, at + timedelta(hours=hours))
        job = Job.objects.get(reference__startswith=str(dispute.pk))
        assert (postbox.tried, job.tries, job.dead_at, job.finished_at) == (1, 1, at, None)
        assert words in job.last_error
        (told,) = AuditRecord.objects.filter(action="dispute.warning_not_mailed", object_id=dispute.public_id)
        assert (told.outcome, words in told.reason) == ("failed", True)
        page = admin_client.get(reverse("admin:payments_dispute_change", args=[dispute.pk])).content.decode()
        assert "Warnings by mail" in page
        assert words in page


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_died_after_the_mail_was_taken_is_followed_by_the_same_mail(postbox: Postbox) -> None:
    dispute = disputed()
    at = before(dispute, days=3)
    warning_disputes.sweep(at)
    outbox.relay_all(at)
    job = Job.objects.get(kind=mailing_disputes.JOB, reference__startswith=str(dispute.pk))
    hold, go = os.pipe()
    connections.close_all()
    child = os.fork()
    if child == 0:
        os.read(hold, 1)  # until the mail server knows whom to kill
        jobs.run(job.pk, at)
        os._exit(1)
    postbox.victim = child
    os.write(go, b"!")
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert len(postbox.letters) == 1
    assert not jobs.run(job.pk, at)  # its lease stands
    for _ in range(2):
        jobs.run(job.pk, at + jobs.LEASE + timedelta(seconds=1))
    first, second = postbox.letters
    assert (first["Message-ID"], first["To"]) == (second["Message-ID"], second["To"])
    assert Job.objects.get(pk=job.pk).tries == 2


@pytest.mark.django_db
class TestAddress:
    def test_is_set_and_ended_with_a_record(self) -> None:
        merchant = factory.create_merchant("Northwind")
        for address in (f" {ADDRESS} ", ""):
            made = notices.set_address(
                merchant_id=merchant.pk, address=address, reason="asked", actor=SYSTEM, at=clock.now()
            )
            assert made.notice_address == address.strip()
        told = AuditRecord.objects.filter(action="merchant.notice_address_set", merchant_id=merchant.pk)
        assert [(row.before, row.after, row.reason) for row in told.order_by("pk")] == [
            ({"notice_address": ""}, {"notice_address": ADDRESS}, "asked"),
            ({"notice_address": ADDRESS}, {"notice_address": ""}, "asked"),
        ]

    @pytest.mark.parametrize(
        "address",
        [
            "shop",
            "a@b",
            "a@b.example, c@d.example",
            "a@b.example\nBcc: c@d.example",
            "a" * 250 + "@b.example",
        ],
    )
    def test_must_be_one(self, address: str) -> None:
        merchant = factory.create_merchant("Northwind")
        with pytest.raises(BadNoticeAddress):
            notices.set_address(
                merchant_id=merchant.pk, address=address, reason="asked", actor=SYSTEM, at=clock.now()
            )
        merchant.refresh_from_db()
        assert merchant.notice_address == ""
