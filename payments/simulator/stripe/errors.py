"""Refusals in Stripe's public shape: {"error": {type, code, message, param, …}}."""

from payments.simulator.errors import Refused


class StripeRefused(Refused):
    """The request is not carried out; nothing has happened and nothing is remembered under its key."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str = "",
        retry_after: str = "",
    ) -> None:
        super().__init__(status, code, message)
        self.kind = kind
        self.param = param
        self.retry_after = retry_after

    def as_body(self) -> dict[str, object]:
        """The JSON object of the answer."""
        return {"error": error(self.kind, self.code, self.message, param=self.param)}


def error(kind: str, code: str, message: str, *, param: str = "", **more: object) -> dict[str, object]:
    """An error object; what is empty is left out, as Stripe does."""
    fields: dict[str, object] = {"type": kind, "code": code, "message": message, "param": param, **more}
    if code:
        fields["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
    return {name: value for name, value in fields.items() if value not in ("", None)}


def missing(kind: str, object_id: str, param: str = "id") -> StripeRefused:
    """No such object."""
    return StripeRefused(404, "resource_missing", f"No such {kind}: '{object_id}'", param=param)
