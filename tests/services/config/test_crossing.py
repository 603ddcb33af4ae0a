"""The two lanes of requests: what answers of the API carry, and what only pages have."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_an_answer_of_the_api_says_what_all_answers_say():
    answer = Client().get("/api/v1/payments/core/none")
    assert answer.status_code == 401
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["X-Request-Id"]
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/api/v1/payments/core/none", "/webhooks/velocitypay/", "/admin/login/"])
def test_both_lanes_refuse_a_name_that_is_not_ours(path):
    assert Client(headers={"host": "elsewhere.example"}).get(path).status_code == 400


def test_pages_still_have_all_that_pages_need(django_user_model):
    user = django_user_model.objects.create_superuser(f"u-{id(object())}", password="a long enough word")
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/admin/login/", {"username": user.username}).status_code == 403
    browser.force_login(user)
    answer = browser.get("/admin/")
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_an_unknown_route_of_the_api_is_a_problem_document():
    answer = Client().get("/api/v1/none")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
