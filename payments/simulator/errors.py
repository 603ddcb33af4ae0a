"""The one exception by which the network refuses a request: an HTTP status, a code and a sentence."""


class Refused(Exception):
    """The request is not carried out; nothing has happened and nothing is remembered under its key."""

    def __init__(self, status: int, code: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.facts = facts

    def as_body(self) -> dict[str, object]:
        """The JSON object of the answer."""
        return {"error": {"code": self.code, "message": self.message, **self.facts}}
