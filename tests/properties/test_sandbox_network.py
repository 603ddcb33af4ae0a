"""The sandbox's laws under any sequence of requests, repeats and days, against a model of a few lines."""

import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from payments.simulator.bank import Bank
from payments.simulator.disputes import Disputes
from payments.simulator.errors import Refused
from payments.simulator.faults import Plan
from payments.simulator.network import Call, Network
from payments.simulator.settling import Settlements
from payments.simulator.storage import Storage

CURRENCIES = ("USD", "JPY", "KWD")
AMOUNTS = st.integers(1, 6) | st.integers(1, 5_000)  # small ones meet at the limits
PLANS = st.sampled_from(
    [
        Plan(),
        Plan(),
        Plan(),
        Plan(result="decline"),
        Plan(result="pending_then_ok"),
        Plan(result="pending_then_fail"),
    ]
)


class SandboxNetwork(RuleBasedStateMachine):
    """Every rule is a request; the model counts what succeeded."""

    authorizations = Bundle("authorizations")
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.storage = Storage(Path(self.folder.name))
        disputes = Disputes(self.storage, pending_seconds=0.0, sends_callbacks=True)
        self.network = Network(self.storage, disputes, pending_seconds=0.0, sends_callbacks=True)
        self.bank = Bank(self.storage, [Settlements(self.storage)])
        self.token = str(self.network.make_card_token("4242424242424242", 12, 2040, "123")["token"])
        self.keys = 0
        self.days = 0
        self.effects: dict[str, str] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    def request(self, kind: str, plan: Plan, **fields: object) -> tuple[Call, str | None]:
        self.keys += 1
        call = Call(kind, f"op_{self.keys}", f"hash_{self.keys}", "ref", **fields)  # type: ignore[arg-type]
        try:
            answer = self.network.execute(call, plan)
        except Refused:
            return call, None
        self.effects[call.idempotency_key] = str(answer["id"])
        return call, str(answer["id"])

    @rule(target=authorizations, amount=AMOUNTS, currency=st.sampled_from(CURRENCIES), plan=PLANS)
    def authorize(self, amount: int, currency: str, plan: Plan) -> str | None:
        return self.request("authorize", plan, token=self.token, amount=amount, currency=currency)[1]

    @rule(target=calls, authorization=authorizations, amount=AMOUNTS, plan=PLANS)
    def capture(self, authorization: str | None, amount: int, plan: Plan) -> Call:
        return self.request("capture", plan, authorization_id=authorization, amount=amount)[0]

    @rule(target=calls, authorization=authorizations, amount=AMOUNTS, plan=PLANS)
    def refund(self, authorization: str | None, amount: int, plan: Plan) -> Call:
        return self.request("refund", plan, authorization_id=authorization, amount=amount)[0]

    @rule(authorization=authorizations, plan=PLANS)
    def void(self, authorization: str | None, plan: Plan) -> None:
        self.request("void", plan, authorization_id=authorization)

    @rule(target=calls, amount=AMOUNTS, currency=st.sampled_from(CURRENCIES), plan=PLANS)
    def transfer(self, amount: int, currency: str, plan: Plan) -> Call:
        destination = '{"holder": "Ada", "account": "1"}'
        return self.request("transfer", plan, amount=amount, currency=currency, destination=destination)[0]

    @rule(call=calls)
    def repeat(self, call: Call) -> None:
        if call.idempotency_key in self.effects:
            answer = self.network.execute(call, Plan(result="decline"))
            assert answer["id"] == self.effects[call.idempotency_key]

    @rule(call=consumes(calls))
    def reuse_the_key(self, call: Call) -> None:
        if call.idempotency_key not in self.effects:
            return
        other = Call(call.kind, call.idempotency_key, "another", "ref", call.authorization_id, amount=1)
        with pytest.raises(Refused, match="used for another request"):
            self.network.execute(other, Plan())

    @rule()
    def time_passes(self) -> None:
        self.network.conclude_due()

    @rule()
    def the_day_ends(self) -> None:
        self.days += 1
        self.bank.close_day(f"2026-11-{self.days % 28 + 1:02d}")

    @invariant()
    def parts_never_exceed_their_whole(self) -> None:
        parts: dict[tuple[str, str], int] = defaultdict(int)
        rows = self.rows()
        for row in rows:
            if row["authorization_id"] and row["status"] in ("succeeded", "pending"):
                parts[row["authorization_id"], row["kind"]] += row["amount"]
        for row in rows:
            if row["kind"] == "authorize":
                captured, refunded = parts[row["id"], "capture"], parts[row["id"], "refund"]
                assert (row["captured"], row["refunded"]) == (captured, refunded)
                assert refunded <= captured <= row["amount"]
                assert captured + parts[row["id"], "void"] <= row["amount"]

    @invariant()
    def the_bank_holds_what_was_settled(self) -> None:
        balances: dict[str, int] = defaultdict(int)
        for row in self.rows():
            if row["settled_in"]:
                assert row["status"] in ("succeeded", "paid")
                sign = 1 if row["kind"] == "capture" else -1
                balances[row["currency"]] += sign * row["amount"] - row["fee"]
        kept = {row["currency"]: row["balance"] for row in self.bank.accounts()}
        assert {name: sum_ for name, sum_ in balances.items() if sum_} == {
            name: balance for name, balance in kept.items() if balance
        }

    @invariant()
    def each_key_has_one_effect_and_each_end_one_callback(self) -> None:
        rows = self.rows()
        assert len(rows) == len(self.effects)
        with self.storage.reading() as connection:
            told = [row["event_id"] for row in connection.execute("SELECT event_id FROM callback")]
        assert len(told) == len(set(told)) == sum(row["status"] != "pending" for row in rows)

    def rows(self) -> list[dict[str, object]]:
        with self.storage.reading() as connection:
            return [dict(row) for row in connection.execute("SELECT * FROM operation ORDER BY seq")]


TestSandboxNetwork = SandboxNetwork.TestCase
TestSandboxNetwork.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
