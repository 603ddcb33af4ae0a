"""Staff set where a merchant gets notices: with a reason, a valid address, and the right to it."""

import pytest
from django.urls import reverse

from ledger.models import AuditRecord
from vendors.models import Merchant


@pytest.fixture
def path(northwind: Merchant) -> str:
    return reverse("admin:vendors_merchant_act_set_notice_address", args=[northwind.pk])


@pytest.mark.django_db
class TestNoticeAddress:
    def test_is_set_by_the_admin(self, sign_in, northwind, path):
        client = sign_in("admin")
        answer = client.post(
            path, {"address": "pay@northwind.example", "reason": "asked by mail"}, follow=True
        )
        assert "Notices go to that address from now on." in answer.content.decode()
        assert "pay@northwind.example" in answer.content.decode()
        kept = AuditRecord.objects.get(action="merchant.notice_address_set", object_id=northwind.public_id)
        assert (kept.reason, kept.role) == ("asked by mail", "admin")

    def test_is_set_instead_of_the_one_that_was_looked_at(self, sign_in, northwind, path):
        client = sign_in("admin")
        told = {"address": "pay@northwind.example", "instead_of": "", "reason": "asked by mail"}
        assert client.post(path, told).status_code == 302
        late = client.post(path, {**told, "address": "old@northwind.example"})
        assert late.status_code == 422
        assert "another address was set meanwhile" in late.content.decode()
        northwind.refresh_from_db()
        assert northwind.notice_address == "pay@northwind.example"
        form = client.get(path).context["form"]
        assert (form["address"].value(), form["instead_of"].value()) == ("pay@northwind.example",) * 2

    @pytest.mark.parametrize("told", [{"address": "pay", "reason": "asked"}, {"address": "a@b.example"}])
    def test_is_refused_when_it_is_wrong(self, sign_in, northwind, path, told):
        assert sign_in("admin").post(path, told).status_code == 422
        northwind.refresh_from_db()
        assert northwind.notice_address == ""

    @pytest.mark.parametrize("role", ["support", "auditor", "finance"])
    def test_is_refused_to_others(self, sign_in, northwind, path, role):
        assert sign_in(role).post(path, {"address": "a@b.example", "reason": "asked"}).status_code == 403
