"""Refusals in PayPal's public shape: {name, message, debug_id, details: [{issue, description}]}."""

from payments.simulator.errors import Refused

NAMES = {
    400: "INVALID_REQUEST",
    401: "AUTHENTICATION_FAILURE",
    403: "NOT_AUTHORIZED",
    404: "RESOURCE_NOT_FOUND",
    409: "RESOURCE_CONFLICT",
    422: "UNPROCESSABLE_ENTITY",
    429: "RATE_LIMIT_REACHED",
    503: "SERVICE_UNAVAILABLE",
}


class PayPalRefused(Refused):
    """The request is not carried out; nothing has happened and nothing is remembered under its key."""

    def __init__(self, status: int, issue: str, words: str = "", *, retry_after: str = "") -> None:
        super().__init__(status, issue, words or issue)
        self.retry_after = retry_after

    def as_body(self) -> dict[str, object]:
        """The JSON object of the answer."""
        return error(self.status, self.code, self.message)


def error(
    status: int, issue: str, words: str, links: list[dict[str, str]] | None = None
) -> dict[str, object]:
    """An error object."""
    return {
        "name": NAMES.get(status, "INTERNAL_SERVER_ERROR"),
        "message": words,
        "debug_id": "sandbox",
        "details": [{"issue": issue, "description": words}],
        "links": links or [],
    }


def missing() -> PayPalRefused:
    """No such object."""
    return PayPalRefused(404, "INVALID_RESOURCE_ID", "Specified resource ID does not exist.")
