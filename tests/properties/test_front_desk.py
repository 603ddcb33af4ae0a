"""Whatever is sent to the front desk: a refusal or an effect, never a failure of its own."""

import json
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.api_client import MerchantClient
from tests.unit.vendors.test_strict_json import JSON

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.probe")]
PROBES = "/api/v1/probes/"
FIELDS = ["name", "note", "amount", "total", "vendor_id", "is_final", "day", "iban", "metadata", "x"]
many = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
letters = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")
printable = st.text(letters, max_size=300)


def refused_or_done(response):
    assert response.status_code < 500, response.content
    if response.status_code >= 400:
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code
    return True


class TestNeverAFailure:
    @many
    @given(body=st.binary(max_size=300))
    def test_for_any_bytes(self, merchant_client, body):
        assert refused_or_done(merchant_client.post(PROBES, body))

    @many
    @given(body=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5))
    def test_for_any_values_of_the_fields(self, merchant_client, body):
        assert refused_or_done(merchant_client.post(PROBES, json.dumps(body).encode()))

    @many
    @given(key=printable)
    def test_for_any_key(self, merchant_client, key):
        response = merchant_client.post(PROBES, {}, key=key)
        assert refused_or_done(response)
        ours = 8 <= len(key) <= 255 and all(33 <= ord(letter) <= 126 for letter in key)
        assert (response.status_code == 201) is ours

    @many
    @given(header=printable)
    def test_for_any_credentials(self, header):
        for value in (f"x{header}", f"Bearer sk_test_{header}"):
            assert MerchantClient(None, Authorization=value).get(PROBES).status_code == 401

    @many
    @given(limit=st.text(max_size=10), cursor=st.text(max_size=40))
    def test_for_any_page(self, merchant_client, limit, cursor):

        query = urlencode({"limit": limit, "starting_after": cursor}, errors="replace")
        assert refused_or_done(merchant_client.get(f"{PROBES}?{query}"))

    @many
    @given(name=st.text(min_size=1, max_size=20))
    def test_for_any_path(self, merchant_client, name):

        assert refused_or_done(merchant_client.get(f"{PROBES}{quote(name, safe='', errors='replace')}"))

    @many
    @given(version=printable, accept=printable, kind=printable)
    def test_for_any_headers(self, merchant_client, version, accept, kind):
        headers = {
            "Everycent-Version": version,
            "Accept": accept,
            "Content-Type": kind,
            "X-Request-Id": version,
        }
        assert refused_or_done(merchant_client.post(PROBES, {}, key=uuid4().hex, **headers))
