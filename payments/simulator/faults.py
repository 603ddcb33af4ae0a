"""Faults on demand: what a request is to meet, scripted by an operator or fixed by the card (scenarios.py).

A fault is written `kind` or `kind:argument`; several are joined by `+` ("timeout_after+no_webhook"). Scripts
and the count of every fault that fired are kept in the storage, so that a test can prove that it happened.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from payments.simulator.errors import Refused
from payments.simulator.scenarios import BY_NAME, Scenario
from payments.simulator.storage import Storage

RESULTS = {
    "ok": "carried out",
    "decline": "refused by the issuer or bank; argument: the code, with @ and an advice code after it",
    "pending_then_ok": "answers pending, succeeds after --pending-seconds (VelocityPay: or the argument's)",
    "pending_then_fail": "answers pending, fails after --pending-seconds; argument: the code",
    "fail_later": "a refund (at Adyen a capture too) succeeds, and fails later; argument: the reason",
    "challenge": "the customer must act first (3-D Secure), on a page of the network's",
    "challenge_unless_exempted": "the same, but for a request that asks for an exemption",
    "challenge_then_decline": "the same; refused after the customer has acted; argument: the code",
}
BEFORE = {
    "500_before": "HTTP 500, nothing done",
    "429": "HTTP 429 with Retry-After, nothing done; argument: seconds",
    "unavailable": "HTTP 503 not_processed with Retry-After, nothing done; argument: seconds",
    "401": "HTTP 401, nothing done",
    "400": "HTTP 400, nothing done",
    "timeout_before": "no answer for --late-seconds, then HTTP 504; nothing done",
}
AFTER = {
    "500_after": "done, then HTTP 500",
    "409_after": "done, then HTTP 409 in_progress",
    "timeout_after": "done, answered after --late-seconds",
    "slow": "done, answered after the argument's seconds",
    "reset_after": "done, the connection breaks in the answer",
    "truncated_json": "done, the answer's JSON ends in the middle, with a matching length",
    "wrong_amount": "done, the answer's amount is one unit too high",
    "wrong_currency": "done, the answer's currency is another",
    "wrong_reference": "done, the answer names another reference",
    "unlisted_status": "done, the answer's status is one that the protocol does not know",
    "trickle": "done, the answer comes one byte in 0.1 s",
    "many_headers": "done, the answer has 10,000 headers",
    "html_200": "done, answered with an HTML page and status 200",
    "huge": "done, answered with a body of 8 MB; argument: another size in MB",
    "gzip_bomb": "done, answered with 0.2 MB of gzip that unpacks to 200 MB",
}
WEBHOOKS = {
    "dup_webhook": "its callbacks are sent several times; argument: how often",
    "reorder": "its callback is held back so that later ones overtake it",
    "no_webhook": "its callback is never sent",
    "webhook_first": "its callback is delivered before the request is answered",
}
OPERATIONS = (
    "authorize", "complete", "finish", "increment", "capture", "void", "refund", "transfer", "challenge",
    "accept", "find", "fx_rates", "hand_over",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What one request meets: at most one fault of each group."""

    result: str = "ok"
    code: str = "do_not_honor"
    before: str = ""
    after: str = ""
    webhook: str = ""
    argument: str = ""
    source: str = ""

    @property
    def seconds(self) -> float:
        """The argument as seconds; 1 when there is none."""
        return float(self.argument or 1)


OK = Plan()


def parse(spec: str, source: str) -> Plan:
    """Read a fault as written in a script or scenario.

    :raises Refused: an unknown fault, or two of one group.
    """
    found: dict[str, str] = {}
    for part in spec.split("+"):
        kind, _, argument = part.partition(":")
        group = next((name for name, kinds in _GROUPS.items() if kind in kinds), None)
        if group is None or group in found:
            raise Refused(422, "unknown_fault", f"{part!r} is not a fault, or a second one of its group")
        found[group] = part if group == "webhook" else kind
        if argument and group != "webhook":
            is_code = group == "result" and kind != "pending_then_ok"
            found["code" if is_code else "argument"] = argument
    return Plan(**found, source=source)


_GROUPS = {"result": RESULTS, "before": BEFORE, "after": AFTER, "webhook": WEBHOOKS}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about, as scripts and scenarios see it."""

    operation: str
    idempotency_key: str
    reference: str = ""
    token: str = ""
    scenario: str = ""


class Faults:
    """Scripts and hit counts."""

    def __init__(self, storage: Storage, scenarios: Mapping[str, Scenario] = BY_NAME) -> None:
        self._storage = storage
        self._scenarios = scenarios
        self._lock = threading.Lock()
        self._waiting = self._count_waiting()

    def script(self, match: dict[str, str], faults: list[str], nth: int = 1) -> int:
        """Add a script: from the nth matching request on, each takes the next of `faults`; then it is spent.

        :raises Refused: an unknown match field or fault.
        """
        unknown = set(match) - {"operation", "reference", "token", "idempotency_key"}
        if unknown or not faults or match.get("operation", "find") not in OPERATIONS:
            raise Refused(
                422, "bad_script", f"a script matches operation, reference, token, idempotency_key: {match}"
            )
        for fault in faults:
            parse(fault, "script")
        with self._lock, self._storage.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO fault_script (match, faults, nth) VALUES (?, ?, ?)",
                (json.dumps(match), json.dumps(faults), nth),
            )
            self._waiting += 1
        return int(cursor.lastrowid or 0)

    def clear(self) -> None:
        """Drop all scripts; hit counts stay."""
        with self._lock, self._storage.writing() as connection:
            connection.execute("DELETE FROM fault_script")
            self._waiting = 0

    def plan(self, subject: Subject, *, is_replay: bool) -> Plan:
        """Decide what this request meets, and count it. A script goes before the card's own scenario."""
        if self._waiting:
            scripted = self._from_script(subject)
            if scripted is not None:
                return scripted
        if is_replay or subject.scenario not in self._scenarios:
            return OK
        spec = self._scenarios[subject.scenario].faults.get(subject.operation)
        if spec is None:
            return OK
        plan = parse(spec, f"scenario:{subject.scenario}")
        if plan.before and not self._first_try(subject.idempotency_key):
            return OK
        self._count(plan, spec)
        return plan

    def hits(self) -> dict[str, int]:
        """How often each fault, scenario and script fired."""
        with self._storage.reading() as connection:
            return {
                row["fault"]: row["hits"]
                for row in connection.execute("SELECT * FROM fault_hit ORDER BY fault")
            }

    def scripts(self) -> list[dict[str, object]]:
        """All scripts with how many requests they have seen and how many faults they have given out."""
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT * FROM fault_script ORDER BY id").fetchall()
        return [
            {
                "id": row["id"],
                "match": json.loads(row["match"]),
                "faults": json.loads(row["faults"]),
                "nth": row["nth"],
                "seen": row["seen"],
                "hits": row["taken"],
                "spent": not row["active"],
            }
            for row in rows
        ]

    def _count_waiting(self) -> int:
        with self._storage.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM fault_script WHERE active").fetchone()[0])

    def _from_script(self, subject: Subject) -> Plan | None:
        facts = {
            "operation": subject.operation,
            "reference": subject.reference,
            "token": subject.token,
            "idempotency_key": subject.idempotency_key,
        }
        with self._lock, self._storage.writing() as connection:
            for row in connection.execute("SELECT * FROM fault_script WHERE active ORDER BY id").fetchall():
                if any(facts[name] != wanted for name, wanted in json.loads(row["match"]).items()):
                    continue
                faults = json.loads(row["faults"])
                seen = row["seen"] + 1
                gives = seen >= row["nth"]
                taken = row["taken"] + gives
                is_active = taken < len(faults)
                connection.execute(
                    "UPDATE fault_script SET seen = ?, taken = ?, active = ? WHERE id = ?",
                    (seen, taken, is_active, row["id"]),
                )
                self._waiting -= not is_active
                if gives:
                    plan = parse(faults[taken - 1], f"script:{row['id']}")
                    self._count(plan, faults[taken - 1])
                    return plan
        return None

    def _first_try(self, idempotency_key: str) -> bool:
        # A card that fails before any effect must let the second try under the same key through.
        with self._storage.writing() as connection:
            known = connection.execute("SELECT 1 FROM fault_hit WHERE fault = ?", (f"key:{idempotency_key}",))
            if known.fetchone():
                return False
            connection.execute("INSERT INTO fault_hit VALUES (?, 1)", (f"key:{idempotency_key}",))
            return True

    def _count(self, plan: Plan, spec: str) -> None:
        names = {plan.source, *(part.partition(":")[0] for part in spec.split("+"))}
        with self._storage.reading() as connection:
            connection.executemany(
                "INSERT INTO fault_hit VALUES (?, 1) ON CONFLICT (fault) DO UPDATE SET hits = hits + 1",
                [(name,) for name in sorted(names)],
            )
