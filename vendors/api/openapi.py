"""How an action describes itself in the OpenAPI document: one decorator, so that no part is forgotten.

Every operation states a summary, a description, an example of its request and of each answer, and the
codes of its errors with an example each. The errors that any request may meet (no key, wrong scope, too
many requests, and for keyed requests those of the Idempotency-Key) are added here, once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers

from ledger.errors import DomainError
from vendors.api.documents import ProblemDocument
from vendors.api.errors import ADVICE, DOCS_PATH, PROBLEM_TYPE, STATUS_OF_KIND
from vendors.api.openapi_fields import Schema
from vendors.api.preconditions import PATTERN, VersionStale
from vendors.services.idempotency import InProgress, KeyReused

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Answer:
    """One good answer: its shape, an example of it, and when it is given."""

    shape: Any
    example: Any
    when: str = "Done."


@dataclass(frozen=True, slots=True)
class Body:
    """The request's body: its shape and an example that works."""

    shape: Any
    example: Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error that is not a `DomainError`: those of the front desk and of the network."""

    status: int
    code: str
    detail: str
    advice: str = ""
    param: str | None = None
    retryable: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


ANY_REQUEST: Final = (
    Refusal(400, "version_unknown", "There is no such Everycent-Version; or a path or header is malformed."),
    Refusal(401, "not_authenticated", "The request carries no API key, or one that proves nothing."),
    Refusal(403, "scope_missing", "The key may not do this."),
    Refusal(405, "method_not_allowed", "The path does not know the method."),
    Refusal(429, "rate_limited", "The key calls too often.", retryable=True),
)
ANY_LIST: Final = (
    Refusal(400, "invalid_request", "A query parameter is unknown or out of bounds.", param="limit"),
)
ANY_BODY: Final = (
    Refusal(400, "json_malformed", "The body is not JSON, or breaks one of the strict rules."),
    Refusal(400, "invalid_request", "A field is missing or wrong; `errors` names each.", param="amount"),
    Refusal(400, "unknown_field", "There is no such field.", param="colour"),
    Refusal(413, "body_too_large", "The body is larger than 256 kB."),
    Refusal(415, "unsupported_media_type", "The body is not application/json."),
)
KEY_REQUIRED: Final = Refusal(
    400, "idempotency_key_missing", "This request needs an Idempotency-Key.", param="Idempotency-Key"
)
KEY_FORM: Final = Refusal(
    400, "idempotency_key_malformed", "The key has an odd form.", param="Idempotency-Key"
)

IF_MATCH_FORM: Final = Refusal(
    400, "if_match_malformed", "If-Match is neither `*` nor a list of tags.", param="If-Match"
)
IF_MATCH: Final = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": PATTERN},
    OpenApiParameter.HEADER,
    description="The ETag of the version that you have seen, or several; when the object was changed since, "
    "nothing is done. `*` is any version. Without the header nothing is compared.",
)


def documented(
    *,
    operation_id: str,
    tag: str,
    summary: str,
    description: str,
    answers: Mapping[int, Answer],
    body: Body | None = None,
    errors: Iterable[type[DomainError] | Refusal] = (),
    parameters: Iterable[OpenApiParameter] = (),
    key: str | None = None,
    has_etag: bool = False,
    if_match: bool = False,
) -> Callable[[View], View]:
    """Describe an action. `key` is "required" or "accepted" where an Idempotency-Key is read.

    `has_etag`: its answers carry the entity tag of what they show. `if_match`: that, and it reads If-Match.
    """
    parameters = [*parameters]
    refusals = [*ANY_REQUEST, *(ANY_BODY if body else ())]
    refusals += ANY_LIST if any(parameter in PAGE_PARAMETERS for parameter in parameters) else ()
    if key:
        refusals += [KEY_FORM, _refusal(KeyReused), _refusal(InProgress)]
    refusals += [KEY_REQUIRED] if key == "required" else []
    refusals += [IF_MATCH_FORM, _refusal(VersionStale)] if if_match else []
    refusals += [error if isinstance(error, Refusal) else _refusal(error) for error in errors]
    responses: dict[Any, OpenApiResponse] = {
        status: OpenApiResponse(
            answer.shape,
            answer.when,
            examples=[OpenApiExample("Example", value=answer.example, response_only=True)],
        )
        for status, answer in answers.items()
    }
    responses |= _problem_responses(refusals)
    examples = [OpenApiExample("Request", value=body.example, request_only=True)] if body else []
    return extend_schema(
        operation_id=operation_id,
        tags=[tag],
        summary=summary,
        description=description,
        request=body.shape if body else None,
        responses=responses,
        examples=examples,
        parameters=[
            *parameters,
            *([_key_parameter(key)] if key else []),
            *([IF_MATCH] if if_match else []),
            *([_etag(answers)] if has_etag or if_match else []),
        ],
    )


def path_id(name: str, prefix: str, text: str) -> OpenApiParameter:
    """Describe a path parameter that is one of our ids."""
    form = {"type": "string", "pattern": f"^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$"}
    return OpenApiParameter(name, form, OpenApiParameter.PATH, description=f"{text}, `{prefix}_…`.")


def path_text(name: str, text: str, allowed: Iterable[str] | None = None) -> OpenApiParameter:
    """Describe a path parameter that is a text, or one word of a list."""
    return OpenApiParameter(
        name,
        OpenApiTypes.STR,
        OpenApiParameter.PATH,
        description=text,
        enum=list(allowed) if allowed else None,
    )


def query_text(name: str, text: str, allowed: Iterable[str] | None = None) -> OpenApiParameter:
    """Describe a query parameter that is a text, or one word of a list."""
    return OpenApiParameter(
        name,
        OpenApiTypes.STR,
        OpenApiParameter.QUERY,
        description=text,
        enum=list(allowed) if allowed else None,
    )


PAGE_PARAMETERS: Final = (
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        OpenApiParameter.QUERY,
        description="How many rows.",
    ),
    OpenApiParameter(
        "starting_after",
        OpenApiTypes.STR,
        OpenApiParameter.QUERY,
        description="The id of the last row of the page before.",
    ),
)


def page_of(shape: type[serializers.Serializer], name: str) -> type[serializers.Serializer]:
    """Return the shape of one page of a list."""
    page = type(
        name,
        (serializers.Serializer,),
        {
            "__doc__": "One page, newest first.",
            "object": serializers.ChoiceField(["list"]),
            "data": shape(many=True),
            "has_more": serializers.BooleanField(),
            "next": serializers.CharField(allow_null=True, help_text="The address of the next page."),
        },
    )
    # Else an action that is called `list` would be described as an array of pages.
    return extend_schema_serializer(many=False)(page)


def page_example(row: Any) -> Schema:
    """Return the example of one page that holds one row."""
    return {"object": "list", "data": [row], "has_more": False, "next": None}


def _refusal(error: type[DomainError]) -> Refusal:
    first_line = (error.__doc__ or error.code).strip().splitlines()[0]
    return Refusal(
        STATUS_OF_KIND[error.kind], error.code, first_line, error.advice, None, bool(error.retryable)
    )


def _problem_responses(refusals: Iterable[Refusal]) -> dict[Any, OpenApiResponse]:
    by_status: dict[int, list[Refusal]] = {}
    for refusal in refusals:
        by_status.setdefault(refusal.status, []).append(refusal)
    return {
        (status, PROBLEM_TYPE): OpenApiResponse(
            ProblemDocument,
            "; ".join(f"`{refusal.code}`: {refusal.detail}" for refusal in group),
            examples=[
                OpenApiExample(refusal.code, value=_problem_example(refusal), response_only=True)
                for refusal in group
            ],
        )
        for status, group in sorted(by_status.items())
    }


def _problem_example(refusal: Refusal) -> Schema:
    return {
        "type": f"{DOCS_PATH}#{refusal.code}",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "param": refusal.param,
        "advice": refusal.advice or ADVICE.get(refusal.code, ""),
        "retryable": refusal.retryable,
        "request_id": "req_01kagm3c8qf3p8w0t5y5r4d2ne",
        "doc_url": f"{DOCS_PATH}#{refusal.code}",
        **refusal.more,
    }


def _etag(answers: Iterable[int]) -> OpenApiParameter:
    return OpenApiParameter(
        "ETag",
        {"type": "string"},
        OpenApiParameter.HEADER,
        response=list(answers),
        description="Names this version of the object; send it as If-Match with a change.",
    )


def _key_parameter(key: str) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "minLength": 8, "maxLength": 255},
        OpenApiParameter.HEADER,
        required=key == "required",
        description="Your name for this one wish; the same key gets the same answer for 30 days.",
    )
