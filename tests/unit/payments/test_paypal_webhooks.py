"""PayPal's signatures: what is genuine is read, the rest refused, and nobody makes us ask a stranger."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from payments.providers.errors import BadSignature, ProviderUnavailable, Unanswered
from payments.providers.notices import ProviderNotice
from payments.providers.outcomes import Approved, Declined, Pending, Rejected, Unknown
from payments.providers.paypal import certificates, webhooks
from payments.providers.paypal.certificates import Certificates, Trust
from payments.providers.transport import Reply
from payments.simulator.paypal import signing
from payments.simulator.paypal.signing import Signer

WEBHOOK_ID = "WH-1"
NOW = datetime.now(UTC).replace(microsecond=0)
URL = "https://api.paypal.example"
ADDRESS = f"{URL}/v1/notifications/certs/"
BODY = b'{"id":"WH-9","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"C1","invoice_id":"op_1"}}'
PEM = serialization.Encoding.PEM


class Web:
    """What lies at which address; counts who asks."""

    def __init__(self, pages: dict[str, bytes]) -> None:
        self.pages = pages
        self.asked: list[str] = []
        self.is_down = False

    def send(self, _operation: str, _method: str, path: str, **more: Any) -> Reply:
        self.asked.append(path)
        assert more["headers"]["authorization"] == ""  # our token is not for the certificates' host
        if self.is_down:
            raise Unanswered("read_timeout")
        page = self.pages.get(path)
        return Reply(200, None, page) if page is not None else Reply(404, None, b"")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("paypal")


@pytest.fixture(scope="module")
def signer(folder):
    return Signer(folder, URL)


@pytest.fixture
def web(signer):
    return Web({f"{ADDRESS}{signer.name}": signer.chain})


@pytest.fixture
def clock():
    return [1000.0]


@pytest.fixture
def trusted(web, folder, clock):
    trust = Trust(ADDRESS, signing.NAME, folder / signing.ROOT_FILE)
    return Certificates(web, trust, lambda: clock[0])


def parse(trusted, headers, body=BODY, now=NOW, ids=(WEBHOOK_ID,)):
    return webhooks.parse(headers, body, ids, trusted, now)


def fault_of(trusted, headers, **more):
    with pytest.raises(BadSignature) as caught:
        parse(trusted, headers, **more)
    return caught.value.fault


class TestAGenuineEvent:
    def test_is_read(self, trusted, signer):
        found = parse(trusted, signer.sign(WEBHOOK_ID, NOW, BODY))
        assert found == ProviderNotice("WH-9", "PAYMENT.CAPTURE.COMPLETED", "op_1", "C1", Pending("C1"))

    def test_is_read_for_the_second_webhook_too(self, trusted, signer):
        assert parse(trusted, signer.sign("WH-2", NOW, BODY), ids=("WH-1", "WH-2"))

    def test_asks_for_its_certificate_once(self, trusted, signer, web):
        for _ in range(3):
            parse(trusted, signer.sign(WEBHOOK_ID, NOW, BODY))
        assert len(web.asked) == 1

    def test_may_have_been_repeated_for_days(self, trusted, signer):
        headers = signer.sign(WEBHOOK_ID, NOW - timedelta(days=3), BODY)
        assert parse(trusted, headers)

    def test_waits_while_its_certificate_cannot_be_had(self, trusted, signer, web, clock):
        web.is_down = True
        headers = signer.sign(WEBHOOK_ID, NOW, BODY)
        for _ in range(3):
            with pytest.raises(ProviderUnavailable):
                parse(trusted, headers)
        assert len(web.asked) == 1
        web.is_down = False
        clock[0] += certificates.AGAIN_SECONDS + 1
        assert parse(trusted, headers)


class TestAForgedEvent:
    @pytest.mark.parametrize("name", webhooks.HEADERS)
    def test_without_a_header_is_refused(self, trusted, signer, name):
        headers = signer.sign(WEBHOOK_ID, NOW, BODY)
        del headers[name]
        assert fault_of(trusted, headers) == "header_missing"

    @pytest.mark.parametrize(
        "change",
        [
            {"paypal-transmission-id": "another"},
            {"paypal-transmission-sig": "AAAA"},
            {"paypal-transmission-sig": "not base64 ä"},
            {"paypal-auth-algo": "SHA1withRSA"},
            {"paypal-auth-algo": "none"},
            {"paypal-transmission-time": (NOW + timedelta(seconds=1)).isoformat()},
        ],
    )
    def test_with_another_header_is_refused(self, trusted, signer, change):
        headers = signer.sign(WEBHOOK_ID, NOW, BODY) | change
        assert fault_of(trusted, headers) == "signature_wrong"

    def test_with_another_body_or_for_another_webhook_is_refused(self, trusted, signer):
        headers = signer.sign(WEBHOOK_ID, NOW, BODY)
        assert fault_of(trusted, headers, body=BODY + b" ") == "signature_wrong"
        assert fault_of(trusted, signer.sign("WH-other", NOW, BODY)) == "signature_wrong"
        assert fault_of(trusted, headers, ids=()) == "signature_wrong"

    @pytest.mark.parametrize(
        ("sent_at", "fault"),
        [(NOW - timedelta(days=4, seconds=1), "too_old"), (NOW + timedelta(seconds=301), "too_new")],
    )
    def test_of_another_time_is_refused(self, trusted, signer, sent_at, fault):
        assert fault_of(trusted, signer.sign(WEBHOOK_ID, sent_at, BODY)) == fault

    @pytest.mark.parametrize("text", ["yesterday", "12", "9999-12-31T23:59:59+00:00"])
    def test_without_a_time_is_refused(self, trusted, signer, text):
        headers = signer.sign(WEBHOOK_ID, NOW, BODY) | {"paypal-transmission-time": text}
        assert fault_of(trusted, headers) in ("timestamp_malformed", "too_new")

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b'{"id":"1","event_type":"X","resource":[]}'])
    def test_that_is_signed_and_unreadable_is_refused(self, trusted, signer, body):
        assert fault_of(trusted, signer.sign(WEBHOOK_ID, NOW, body), body=body) == "unreadable"


class TestAStrangersCertificate:
    @pytest.mark.parametrize(
        "address",
        [
            "https://evil.example/v1/notifications/certs/CERT-1",
            f"{URL}.evil.example/v1/notifications/certs/CERT-1",
            "https://api.paypal.example@evil.example/v1/notifications/certs/CERT-1",
            "https://api.paypal.example:444/v1/notifications/certs/CERT-1",
            "http://api.paypal.example/v1/notifications/certs/CERT-1",
            f"{URL}/v1/notifications/certs/../../../evil",
            f"{URL}/v1/notifications/certs/%2e%2e/evil",
            f"{URL}/v1/notifications/certs/CERT-1?next=//evil.example",
            f"{URL}/v1/notifications/certs/CERT-1#x",
            f"{URL}/v1/notifications/certs/",
            f"{URL}/v1/other/CERT-1",
            f"{URL}/v1/notifications/certs/CERT-1\r\nx: y",
            "file:///etc/passwd",
            "CERT-1",
            f"{URL}/v1/notifications/certs/{'a' * 600}",
        ],
    )
    def test_is_not_even_asked_for(self, trusted, signer, web, address):
        headers = signer.sign(WEBHOOK_ID, NOW, BODY) | {"paypal-cert-url": address}
        assert fault_of(trusted, headers) == "certificate_strange"
        assert web.asked == []

    def test_of_another_root_is_refused(self, trusted, web, tmp_path):
        stranger = Signer(tmp_path, URL)
        web.pages[f"{ADDRESS}{stranger.name}"] = stranger.chain
        assert fault_of(trusted, stranger.sign(WEBHOOK_ID, NOW, BODY)) == "certificate_strange"

    def test_without_its_issuer_or_with_only_itself_is_refused(self, trusted, signer, web):
        leaf = signer.chain.split(b"-----END CERTIFICATE-----")[0] + b"-----END CERTIFICATE-----\n"
        web.pages[f"{ADDRESS}{signer.name}"] = leaf
        assert fault_of(trusted, signer.sign(WEBHOOK_ID, NOW, BODY)) == "certificate_strange"

    @pytest.mark.parametrize(
        ("name", "days", "kind"),
        [
            ("www.evil.example", 30, "rsa"),
            (f"{signing.NAME}.evil.example", 30, "rsa"),
            (signing.NAME, 0, "rsa"),
            (signing.NAME, 30, "ec"),
        ],
    )
    def test_of_our_own_root_is_refused_for_another_name_time_or_kind(
        self, web, tmp_path, signer, name, days, kind
    ):
        root_key = ec.generate_private_key(ec.SECP256R1())
        root = signing.issue("Root", root_key, None, is_authority=True)
        key: Any = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048) if kind == "rsa" else root_key
        )
        leaf = signing.issue(name, key, (root, root_key), is_authority=False, days=days)
        (tmp_path / "root.pem").write_bytes(root.public_bytes(PEM))
        web.pages[f"{ADDRESS}{signer.name}"] = leaf.public_bytes(PEM)
        strict = Certificates(web, Trust(ADDRESS, signing.NAME, tmp_path / "root.pem"))
        headers = signer.sign(WEBHOOK_ID, NOW, BODY)
        text = webhooks.signed_text(
            headers["paypal-transmission-id"], headers["paypal-transmission-time"], WEBHOOK_ID, BODY
        )
        if kind == "rsa":  # it is signed by whoever holds that certificate
            made = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
            headers["paypal-transmission-sig"] = base64.b64encode(made).decode()
        assert fault_of(strict, headers, now=NOW + timedelta(hours=1)) in (
            "certificate_strange", "signature_wrong",
        )  # fmt: skip

    def test_cannot_make_us_ask_without_end(self, trusted, signer, web):
        for number in range(40):
            headers = signer.sign(WEBHOOK_ID, NOW, BODY) | {"paypal-cert-url": f"{ADDRESS}CERT-{number}"}
            with pytest.raises(ProviderUnavailable):
                parse(trusted, headers)
        assert len(web.asked) == certificates.FETCHES_A_MINUTE

    def test_is_not_believed_where_our_roots_cannot_be_read(self, web, signer, tmp_path):
        nowhere = Certificates(web, Trust(ADDRESS, signing.NAME, tmp_path / "missing.pem"))
        with pytest.raises(ProviderUnavailable):
            parse(nowhere, signer.sign(WEBHOOK_ID, NOW, BODY))


def read(event_type, **resource):
    return webhooks.notice({"id": "WH-1", "event_type": event_type, "resource": {"id": "X1", **resource}})


MONEY = {"currency_code": "USD", "value": "5.00"}


class TestAnEvent:
    @pytest.mark.parametrize("event_type", sorted(webhooks.ORDER))
    def test_of_an_order_asks(self, event_type):
        found = read(event_type, purchase_units=[{"custom_id": "op_1"}])
        assert (found.idempotency_key, found.outcome) == ("op_1", Pending("X1"))

    @pytest.mark.parametrize("event_type", sorted(webhooks.CAPTURE | webhooks.AUTHORIZATION))
    def test_of_a_sale_asks_about_its_authorization(self, event_type):
        sale = {"custom_id": "op_1", "invoice_id": "pay_1", "amount": MONEY, "status": "COMPLETED"}
        related = {"related_ids": {"order_id": "O7"}}
        found = read(event_type, **sale, supplementary_data=related)
        # The order is what is asked about next: the capture's own id must not take its place.
        assert (found.idempotency_key, found.outcome) == ("op_1", Pending("O7"))
        assert read(event_type, **sale).outcome == Pending("")

    @pytest.mark.parametrize(
        ("status", "mark", "outcome"),
        [
            ("COMPLETED", "refund.op_1", Pending),
            ("PENDING", "refund.op_1", Pending),
            ("FAILED", "refund.op_1", Declined),
            ("FAILED", "refund.op_1.2", Rejected),
        ],
    )
    def test_of_our_refund_asks_unless_it_failed(self, status, mark, outcome):
        found = read("PAYMENT.CAPTURE.REFUNDED", custom_id=mark, amount=MONEY, status=status)
        assert found.idempotency_key == "op_1"
        assert isinstance(found.outcome, outcome)

    def test_of_a_refund_of_the_dashboard_tells_its_capture(self):
        links = [{"rel": "up", "href": "https://x/v2/payments/captures/C7"}]
        # PayPal hands the capture's own name on to it: that is the key of the authorization, not of a refund.
        found = read(
            "PAYMENT.CAPTURE.REFUNDED", custom_id="op_1", amount=MONEY, status="COMPLETED", links=links
        )
        assert (found.idempotency_key, found.refund_of) == ("X1", "C7")
        assert isinstance(found.outcome, Approved)

    @pytest.mark.parametrize("event_type", ["BILLING.PLAN.CREATED", "PAYMENT.CAPTURE.REVERSED"])
    def test_of_anything_else_is_about_nothing(self, event_type):
        found = read(event_type, custom_id="op_1")
        assert found.idempotency_key == ""
        assert isinstance(found.outcome, Unknown)

    def test_of_others_payments_is_about_nothing(self):
        assert read("PAYMENT.CAPTURE.COMPLETED", custom_id="shop-7").idempotency_key == ""
