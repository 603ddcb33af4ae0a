"""Refusals in Adyen's public shape: {status, errorCode, message, errorType}."""

from payments.simulator.errors import Refused

IN_PROGRESS = "704"


class AdyenRefused(Refused):
    """The request is not carried out; nothing has happened and nothing is remembered under its key."""

    def __init__(
        self, status: int, code: str, message: str, *, kind: str = "validation", retry_after: str = ""
    ) -> None:
        super().__init__(status, code, message)
        self.kind = kind
        self.retry_after = retry_after

    def as_body(self) -> dict[str, object]:
        """The JSON object of the answer."""
        return error(self.status, self.code, self.message, self.kind)


def error(status: int, code: str, message: str, kind: str) -> dict[str, object]:
    """An error's body."""
    return {"status": status, "errorCode": code, "message": message, "errorType": kind}


def invalid(code: str, message: str) -> AdyenRefused:
    """The request is wrong."""
    return AdyenRefused(422, code, message)
