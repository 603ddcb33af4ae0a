"""The dispute desk: the deadline's colour, evidence by form, challenge and acceptance with a reason."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.models import AuditRecord
from payments.admin.disputes import deadline
from payments.models import Dispute, DisputeEvidence, Refund
from payments.services.refunds import requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from tests.factories import disputes as told
from tests.factories import payments as rows
from tests.kit import disputes as kit
from tests.kit.callbacks import send
from tests.kit.shop import Shop, run_jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def here(northwind) -> Dispute:
    payment = rows.captured_payment(northwind)
    return told.chargeback(payment, due_at=clock.now() + timedelta(days=21))


def act(dispute: Dispute, name: str) -> str:
    return reverse(f"admin:payments_dispute_act_{name}", args=[dispute.pk])


@pytest.mark.parametrize(
    ("left", "words", "tone"),
    [
        (timedelta(days=21), "21 days", "plain"),
        (timedelta(days=7), "7 days", "watch"),
        (timedelta(days=2, hours=1), "3 days", "bad"),
        (timedelta(hours=5), "1 day", "bad"),
        (timedelta(hours=-1), "passed", "bad"),
    ],
)
def test_the_deadline_is_coloured_by_the_days_left(left, words, tone):
    at = clock.now()
    shown = deadline(Dispute(state="chargeback", due_at=at + left), at)
    assert f"house-badge-{tone}" in shown
    assert f">{words}<" in shown


def test_the_list_and_the_page_show_it(root, here):
    listed = root.get(reverse("admin:payments_dispute_changelist"), {"due": "14"}).content.decode()
    assert here.number not in listed
    listed = root.get(reverse("admin:payments_dispute_changelist")).content.decode()
    assert here.number in listed
    page = root.get(reverse("admin:payments_dispute_change", args=[here.pk])).content.decode()
    assert "Still to be shown" in page
    assert act(here, "accept") in page
    assert act(here, "challenge") not in page  # there is no evidence yet


def test_evidence_is_uploaded_handed_out_and_audited(root, here):
    content = b"%PDF-1.7\n%%EOF"
    file = SimpleUploadedFile("proof.pdf", content, content_type="text/html")
    told_why = {"kind": "delivery_proof", "text": "", "file": file, "reason": "from the carrier"}
    assert root.post(act(here, "add_evidence"), told_why).status_code == 302
    kept = DisputeEvidence.objects.get(dispute=here)
    assert (kept.media_type, bytes(kept.content)) == ("application/pdf", content)
    assert AuditRecord.objects.filter(action="dispute.add_evidence", object_id=here.public_id).exists()
    answer = root.get(reverse("admin:payments_disputeevidence_file", args=[kept.pk]))
    assert (answer.content, answer["X-Content-Type-Options"]) == (content, "nosniff")
    assert answer["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    "given",
    [
        {"text": ""},
        {"text": "x", "file": SimpleUploadedFile("a.pdf", b"%PDF-1.7")},
        {"text": "", "file": SimpleUploadedFile("a.pdf", b"MZ")},
    ],
    ids=["nothing", "both", "a program"],
)
def test_bad_evidence_is_refused_on_the_form(root, here, given):
    answer = root.post(act(here, "add_evidence"), {"kind": "receipt", "reason": "because", **given})
    assert answer.status_code == 422
    assert not DisputeEvidence.objects.filter(dispute=here).exists()


def test_a_dispute_is_accepted_with_a_reason(root, shop: Shop):
    paid = shop.captured("dispute_fraudulent")
    (there,) = kit.standing(shop.network, authorization=paid["provider_reference"])
    send(kit.callback_about(there))
    run_jobs()
    dispute = Dispute.objects.get(provider_reference=there["id"])
    assert root.post(act(dispute, "accept"), {"reason": "not worth it"}).status_code == 302
    assert Dispute.objects.get(pk=dispute.pk).state == "accepted"
    assert AuditRecord.objects.filter(action="dispute.accept", reason="not worth it").exists()


def test_who_may_not_answer_sees_no_button_and_is_refused(sign_in, here):
    support = sign_in("support")
    page = support.get(reverse("admin:payments_dispute_change", args=[here.pk]))
    assert act(here, "accept") not in page.content.decode()
    assert support.post(act(here, "accept"), {"reason": "because"}).status_code == 403


def test_a_large_refund_is_approved_by_a_senior_person_only(sign_in, northwind):
    northwind.refund_senior_above = {"USD": 500}
    northwind.save()
    payment = rows.captured_payment(northwind)
    wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=501)
    refund = requesting_refunds.request(merchant_id=northwind.pk, wish=wish, actor=SYSTEM, at=clock.now())
    finance, lead = sign_in("finance"), sign_in("finance_lead")
    ordinary, senior = (
        reverse(f"admin:payments_refund_act_{name}", args=[refund.pk])
        for name in ("approve", "approve_large")
    )
    page = reverse("admin:payments_refund_change", args=[refund.pk])
    assert ordinary not in finance.get(page).content.decode()
    assert senior in lead.get(page).content.decode()
    assert finance.post(senior, {"reason": "because"}).status_code == 403
    assert finance.post(ordinary, {"reason": "because"}).status_code == 422
    assert Refund.objects.get(pk=refund.pk).state == "requested"
    assert lead.post(senior, {"reason": "because"}).status_code == 302
    assert Refund.objects.get(pk=refund.pk).state == "approved"
