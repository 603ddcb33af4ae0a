"""What every operation says of itself in the OpenAPI document: headers, examples, failures."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from vendors.api.paging import LIMIT_DEFAULT, LIMIT_MAX

ALWAYS: Final = {
    "invalid_request": 400,
    "not_authenticated": 401,
    "scope_missing": 403,
    "rate_limited": 429,
    "internal_error": 500,
    "temporarily_unavailable": 503,
}
OF_WRITES: Final = {
    "idempotency_in_progress": 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_key_reused": 422,
}
KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="8 to 255 visible ASCII characters; the same for each repetition of a request.",
)


class FieldError(serializers.Serializer):
    """What is wrong with one field."""

    param = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()


ProblemDocument = inline_serializer(
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
PAGE_PARAMETERS: Final = [
    OpenApiParameter("limit", int, description=f"1 to {LIMIT_MAX}; {LIMIT_DEFAULT} unless told."),
    OpenApiParameter("starting_after", str, description="The id of the last object of the page before."),
]


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the document names an API key; found by drf-spectacular because it is defined."""

    target_class = "vendors.api.auth.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "description": "An API key: sk_test_… or sk_live_…"}


def page_of(item: type[serializers.Serializer]) -> Any:
    """Return the serializer of a page of such items, for the document."""
    return inline_serializer(
        f"{item.__name__.removesuffix('Out')}Page",
        {
            "object": serializers.CharField(),
            "data": item(many=True),
            "has_more": serializers.BooleanField(),
            "next": serializers.CharField(allow_null=True),
        },
    )


def failures(codes: dict[str, int]) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the responses of an operation's failures: its own codes, and those that any operation has."""
    by_status: dict[int, list[str]] = {}
    for code, status in {**ALWAYS, **codes}.items():
        by_status.setdefault(status, []).append(code)
    return {
        (status, "application/problem+json"): OpenApiResponse(
            ProblemDocument, description="Codes: " + ", ".join(sorted(named))
        )
        for status, named in sorted(by_status.items())
    }


def writes(
    body: Any,
    result: Any,
    example: dict[str, Any],
    codes: dict[str, int],
    *,
    status: int = 201,
    is_key_required: bool = True,
) -> dict[str, Any]:
    """Return the arguments of `extend_schema` for an operation that changes something."""
    key = (
        KEY if is_key_required else OpenApiParameter(KEY.name, str, KEY.location, description=KEY.description)
    )
    return {
        "request": body,
        "parameters": [key],
        "examples": [OpenApiExample("request", value=example, request_only=True)],
        "responses": {status: result, **failures({**OF_WRITES, **codes})},
    }
