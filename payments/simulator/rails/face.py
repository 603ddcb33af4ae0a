"""The file desk's HTTP face, mounted under /rails: files in and out, and an operator's hand on returns."""

import re
from pathlib import Path

from payments.simulator import answers
from payments.simulator.answers import Answer
from payments.simulator.errors import Refused
from payments.simulator.faults import Faults, Subject
from payments.simulator.rails import books, incoming
from payments.simulator.rails.desk import RailsDesk
from payments.simulator.rails.incoming import Incoming
from payments.simulator.requests import Request, text, whole
from payments.simulator.storage import Storage

HAND_OVER = "hand_over"


class RailsFace:
    """The face over its own storage; who may ask is the application's to say."""

    def __init__(self, folder: Path, late_seconds: float) -> None:
        schema, tables = books.SCHEMA + incoming.SCHEMA, (*books.TABLES, incoming.TABLE)
        self._storage = Storage(folder, books.FILE, schema, tables)
        self._faults = Faults(self._storage)
        self._late_seconds = late_seconds
        self.desk = RailsDesk(self._storage)
        self.incoming = Incoming(self._storage)

    def reset(self) -> None:
        """Forget everything."""
        self._storage.reset()
        self._faults.clear()

    def respond(self, request: Request, path: str) -> Answer:
        """Answer one request; the path is without the mount.

        :raises Refused: it is not understood, or not allowed.
        """
        found = re.fullmatch(r"/v1/(ach|sepa|credit_[a-z]{3})/files(?:/([a-z0-9_]{1,64}))?", path)
        if found and request.method == "POST" and not found[2]:
            return self._take(found[1], request)
        if found and request.method == "GET" and found[2]:
            return Answer(200, self.desk.file(found[1], found[2]), content_type="application/octet-stream")
        if found and request.method == "GET":
            return Answer(200, {"data": self.desk.files(found[1], request.integer("after", 0))})
        match request.method, path:
            case "GET", "/v1/health":
                return Answer(200, {"status": "ok"})
            case "GET", "/sim/entries":
                return Answer(200, {"data": self.desk.entries()})
            case "POST", "/sim/returns":
                body = request.body()
                kept = whole(body, "kept") if "kept" in body else 0
                self.desk.script(text(body, "end_to_end"), text(body, "code"), kept)
                return Answer(200, {"status": "scripted"})
            case "POST", "/sim/calendar":
                self.desk.let_come(text(request.body(), "date"))
                return Answer(200, {"status": "come"})
            case "POST", "/sim/misbookings":
                body = request.body()
                self.desk.misbook(text(body, "end_to_end"), text(body, "fault"))
                return Answer(200, {"status": "scripted"})
            case "GET", "/sim/misbookings":
                return Answer(200, {"hits": self.desk.misbooked()})
            case "POST", "/sim/incoming":
                body = request.body()
                amount, words = whole(body, "amount"), (text(body, "holder"), text(body, "purpose"))
                return Answer(200, self.incoming.send(text(body, "currency"), amount, *words))
            case "POST", "/sim/reset":
                self.reset()
                return Answer(200, {"status": "empty"})
            case "GET", "/sim/faults":
                return Answer(200, {"data": self._faults.scripts(), "hits": self._faults.hits()})
            case "POST", "/sim/faults":
                return self._script(request)
            case "DELETE", "/sim/faults":
                self._faults.clear()
                return Answer(200, {"data": []})
        raise Refused(404, "no_such_route", f"{request.method} {path} does not exist")

    def _take(self, rail: str, request: Request) -> Answer:
        subject = Subject(HAND_OVER, request.idempotency_key)
        plan = self._faults.plan(subject, is_replay=False)
        if plan.before:
            return answers.before(plan, self._late_seconds)
        taken = self.desk.take(rail, request.idempotency_key, request.raw)
        return answers.after(plan, taken, self._late_seconds)

    def _script(self, request: Request) -> Answer:
        body = request.body()
        match, faults = body.get("match", {}), body.get("faults")
        if not isinstance(match, dict) or not isinstance(faults, list):
            raise Refused(422, "bad_script", "A script is {match: {…}, faults: [text, …]}")
        return Answer(200, {"id": self._faults.script(match, [str(fault) for fault in faults], 1)})
