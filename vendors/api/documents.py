"""The shape of a problem document in the OpenAPI document (`vendors.api.openapi` says when each is given)."""

from typing import Final

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers


class FieldError(serializers.Serializer):
    """What is wrong with one field."""

    param = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()


# Made by a function, because a field named `errors` would hide an attribute of the serializer itself.
ProblemDocument: Final = inline_serializer(
    "ProblemDocument",
    {
        "type": serializers.CharField(),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "code": serializers.CharField(),
        "param": serializers.CharField(allow_null=True),
        "advice": serializers.CharField(),
        "retryable": serializers.BooleanField(),
        "request_id": serializers.CharField(),
        "doc_url": serializers.CharField(),
        "errors": FieldError(many=True, required=False),
    },
)
