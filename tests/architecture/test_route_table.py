"""The table of routes makes both forms of each path and shows one of them."""

from django.test import Client
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from config import api


class Echo(ViewSet):
    """Answers with its arguments."""

    def show(self, request, **arguments):
        return Response(arguments)


ROUTES = (
    api.Route("things/core/{id}", Echo, {"get": "show"}),
    api.Route("things/", Echo, {"get": "show"}),
    api.Route("things/{id}", Echo, {"get": "show"}),
)


class TestRouteTable:
    def test_each_path_is_made_with_and_without_the_slash(self):
        made = [str(pattern.pattern) for pattern in api.url_patterns(ROUTES)]
        assert made == [
            "things/core/<str:id>", "things/core/<str:id>/",
            "things/", "things",
            "things/<str:id>", "things/<str:id>/",
        ]  # fmt: skip

    def test_only_the_contracts_form_is_documented(self, monkeypatch):
        monkeypatch.setattr(api, "ROUTES", ROUTES)
        forms = [form for route in ROUTES for form in (route.path, route.other_form)]
        endpoints = [(api.PREFIX + form, form, "GET", None) for form in forms]
        kept = [endpoint[1] for endpoint in api.only_contract_paths(endpoints)]
        assert kept == ["things/core/{id}", "things/", "things/{id}"]

    def test_the_docs_load_nothing_from_elsewhere(self):
        page = Client().get("/api/docs/").content.decode()
        assert "/static/drf_spectacular_sidecar/" in page
        assert "https://" not in page
