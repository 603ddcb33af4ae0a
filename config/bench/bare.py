"""The baselines of the HTTP benchmark: Django and DRF, one view, one INSERT or one SELECT, nothing else.

Served by the same server with as many workers and threads, on the same database: what is left of its rate
is what the platform's own work costs.
"""

import os
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import path


def application() -> Any:
    """Configure a Django of its own, next to nothing in it, and return its WSGI application."""
    from config.env import env

    database = env.db_url("DATABASE_URL")
    settings.configure(
        SECRET_KEY=os.urandom(16).hex(),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": {**database, "CONN_MAX_AGE": 600}},
        INSTALLED_APPS=["rest_framework"],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_PERMISSION_CLASSES": [],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "UNAUTHENTICATED_USER": None,
        },
        USE_TZ=True,
    )
    django.setup()
    return get_wsgi_application()


def _routes() -> list[Any]:
    from rest_framework import serializers
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Shape(serializers.Serializer):
        order_id = serializers.CharField(max_length=100)
        amount = serializers.IntegerField(min_value=1)
        currency = serializers.CharField(max_length=3)

    class Rows(APIView):
        def get(self, request: Any, number: int) -> Response:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT id, order_id, amount, currency FROM bench_bare WHERE id = %s", [number]
                )
                row = cursor.fetchone()
            return Response(dict(zip(("id", "order_id", "amount", "currency"), row, strict=True)))

        def post(self, request: Any) -> Response:
            shape = Shape(data=request.data)
            shape.is_valid(raise_exception=True)
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO bench_bare (order_id, amount, currency) VALUES (%s, %s, %s) RETURNING id",
                    [shape.validated_data[name] for name in ("order_id", "amount", "currency")],
                )
                (number,) = cursor.fetchone()
            return Response({"id": number, **shape.validated_data}, status=201)

    return [path("rows", Rows.as_view()), path("rows/<int:number>", Rows.as_view())]


def __getattr__(name: str) -> Any:
    # Django asks for the routes when the first request comes: only then may DRF be imported.
    if name == "urlpatterns":
        return _routes()
    raise AttributeError(name)
