"""The baselines of the HTTP benchmark: Django and DRF, one view, one INSERT or one SELECT, nothing else.

No middleware, no caller to be known, no second table. `rows` is DRF as it is written everywhere: an APIView,
a ModelSerializer in and out, the ORM. `by-hand` is the least that DRF can be asked to do: a plain Serializer
and one statement on a bare cursor. Both are served by the same server with as many workers and threads, on
the same database: what is left of their rates is what the platform's own work costs.
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
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    return get_wsgi_application()


def _routes() -> list[Any]:
    return [*_as_usual(), *_by_hand()]


def _as_usual() -> list[Any]:
    from django.db import models
    from django.shortcuts import get_object_or_404
    from rest_framework import serializers
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Row(models.Model):
        order_id = models.CharField(max_length=100)
        amount = models.BigIntegerField()
        currency = models.CharField(max_length=3)

        class Meta:
            app_label = "bench"
            db_table = "bench_bare"
            managed = False

        def __str__(self) -> str:
            return self.order_id

    class RowSerializer(serializers.ModelSerializer):
        class Meta:
            model = Row
            fields = ("id", "order_id", "amount", "currency")

    class Rows(APIView):
        def get(self, request: Any, number: int) -> Response:
            return Response(RowSerializer(get_object_or_404(Row, pk=number)).data)

        def post(self, request: Any) -> Response:
            shape = RowSerializer(data=request.data)
            shape.is_valid(raise_exception=True)
            shape.save()
            return Response(shape.data, status=201)

    return [path("rows", Rows.as_view()), path("rows/<int:number>", Rows.as_view())]


def _by_hand() -> list[Any]:
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

    return [path("by-hand", Rows.as_view()), path("by-hand/<int:number>", Rows.as_view())]


def __getattr__(name: str) -> Any:
    # Django asks for the routes when the first request comes: only then may DRF be imported.
    if name == "urlpatterns":
        return _routes()
    raise AttributeError(name)
