"""The sandbox process itself: its face, its memory under kill -9, its faults, its callbacks."""

import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.money import Money
from payments.providers import registry
from payments.providers.outcomes import Approved, Declined
from payments.providers.requests import AuthorizeRequest, CaptureRequest
from payments.simulator import scenarios
from tests.kit.network import (
    API_KEY,
    PUBLIC_KEY,
    Network,
    eventually,
    point_adapter_at,
    started_network,
)
from tests.services.payments.simulator.asking import authorize, key


class TestItsFace:
    def test_tells_its_scenarios_to_anybody(self, network):
        rows = httpx.get(f"{network.url}/sim/scenarios").json()["data"]
        assert {row["number"] for row in rows} == set(scenarios.BY_NUMBER)

    @pytest.mark.parametrize(
        "path", ["/sim/truth", "/v1/operations?idempotency_key=op_12345678", "/bank/v1/accounts"]
    )
    @pytest.mark.parametrize("credential", ["", PUBLIC_KEY, "ünknown"])
    def test_asks_for_the_secret_key(self, network, path, credential):
        headers = {"authorization": f"Bearer {credential}".encode()} if credential else {}
        assert httpx.get(f"{network.url}{path}", headers=headers).status_code == 401

    def test_gives_tokens_for_the_public_key_and_keeps_no_number(self, network):
        token = network.card("amex")
        assert (token["brand"], token["last4"], token["type"]) == ("amex", "0005", "card")
        assert token["token"].startswith("vpt_")
        kept = b"".join(file.read_bytes() for file in network.folder.glob("network.sqlite3*"))
        assert scenarios.BY_NAME["amex"].number.encode() not in kept
        assert b"0005" in kept

    def test_lets_a_browser_of_any_origin_tokenize(self, network):
        answer = httpx.options(f"{network.url}/v1/tokens")
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (
                {"number": "4242424242424241", "exp_month": 12, "exp_year": 2040, "cvc": "123"},
                "invalid_number",
            ),
            (
                {"number": "4242424242424242", "exp_month": 13, "exp_year": 2040, "cvc": "123"},
                "invalid_expiry",
            ),
            (
                {"number": "4242424242424242", "exp_month": 1, "exp_year": 2020, "cvc": "123"},
                "invalid_expiry",
            ),
            ({"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "12"}, "invalid_cvc"),
            ({"number": 4242424242424242, "exp_month": 12, "exp_year": 2040, "cvc": "123"}, "bad_field"),
            ({"iban": "DE00370400440532013000"}, "invalid_iban"),
        ],
    )
    def test_refuses_a_token_for_nonsense(self, network, body, code):
        answer = network.client.post("/v1/tokens", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)

    @pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"[" * 50_000, b'"x"'])
    def test_refuses_what_is_not_a_json_object(self, network, raw):
        answer = network.client.post("/v1/authorizations", content=raw, headers={"idempotency-key": key()})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_json")

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"amount": 0}, "amount_invalid"),
            ({"amount": -1}, "amount_invalid"),
            ({"amount": 10**12 + 1}, "amount_invalid"),
            ({"amount": 19.99}, "bad_field"),
            ({"amount": "1999"}, "bad_field"),
            ({"amount": True}, "bad_field"),
            ({"currency": "XAU"}, "currency_not_supported"),
            ({"currency": "usd"}, "currency_not_supported"),
            ({"reference": ""}, "bad_field"),
            ({"reference": "a\0b"}, "bad_field"),
            ({"token": "vpt_none"}, "token_unknown"),
        ],
    )
    def test_refuses_an_authorization_that_cannot_be(self, network, changes, code):
        answer = authorize(network, **changes)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)

    def test_refuses_half_of_a_character(self, network):
        raw = b'{"amount":1,"currency":"USD","token":"vpt_x","reference":"\\ud800"}'
        answer = network.client.post("/v1/authorizations", content=raw, headers={"idempotency-key": key()})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_field")

    @pytest.mark.parametrize("bad", ["", "short", "with blank", "x" * 256])
    def test_insists_on_an_idempotency_key(self, network, bad):
        headers = {"idempotency-key": bad} if bad else {}
        answer = network.client.post("/v1/transfers", json={}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_key_missing")

    def test_says_404_to_an_unknown_route(self, network):
        assert network.client.get("/v1/nonsense").status_code == 404

    def test_delays_when_told(self, network):
        network.latency(150)
        answer = authorize(network)
        assert answer.elapsed >= timedelta(seconds=0.15)


class TestItsLaws:
    def test_hold_when_fifty_ask_the_same_at_once(self, network):
        shared, answers = key(), []
        token = network.card()["token"]
        body = {"amount": 1999, "currency": "USD", "reference": "pay_race", "token": token}

        def ask() -> None:
            answer = httpx.post(
                f"{network.url}/v1/authorizations",
                json=body,
                headers={"authorization": f"Bearer {API_KEY}", "idempotency-key": shared},
            )
            answers.append((answer.status_code, answer.json()["id"]))

        _at_once([ask] * 50)
        assert len(answers) == 50
        assert len(set(answers)) == 1
        assert len(network.truth(idempotency_key=shared)) == 1

    def test_hold_when_captures_at_once_exceed_the_authorization(self, network):
        authorization = authorize(network, amount=1000).json()["id"]
        statuses: list[int] = []

        def capture() -> None:
            answer = httpx.post(
                f"{network.url}/v1/authorizations/{authorization}/captures",
                json={"amount": 300, "reference": "pay_race"},
                headers={"authorization": f"Bearer {API_KEY}", "idempotency-key": key()},
            )
            statuses.append(answer.status_code)

        _at_once([capture] * 12)
        assert sorted(statuses) == [200] * 3 + [422] * 9
        assert network.truth(id=authorization)[0]["captured"] == 900


class TestItsTruth:
    def test_counts_what_raised_an_authorization_once(self, network):
        authorization = authorize(network, amount=1000).json()["id"]
        answer = httpx.post(
            f"{network.url}/v1/authorizations/{authorization}/increments",
            json={"amount": 300, "reference": "pay_more"},
            headers={"authorization": f"Bearer {API_KEY}", "idempotency-key": key()},
        )
        assert answer.json()["status"] == "succeeded"
        told = {row["kind"]: row["amount"] for row in network.truth() if authorization in row.values()}
        assert told == {"authorize": 1000, "increment": 300}


class TestItsFaults:
    def test_count_from_the_nth_match_and_are_spent(self, network):
        reference = key()
        script = network.script("500_before", "500_after", nth=2, reference=reference)
        statuses = [authorize(network, reference=reference).status_code for _ in range(5)]
        assert statuses == [200, 500, 500, 200, 200]
        (kept,) = [row for row in network.client.get("/sim/faults").json()["data"] if row["id"] == script]
        assert (kept["seen"], kept["hits"], kept["spent"]) == (3, 2, True)
        assert network.faults()[f"script:{script}"] == 2

    def test_match_by_token_operation_and_key(self, network):
        shared = key()
        network.script("decline:lost_card", operation="authorize", idempotency_key=shared)
        assert authorize(network).json()["status"] == "authorized"
        assert authorize(network, idempotency_key=shared).json()["decline_code"] == "lost_card"

    @pytest.mark.parametrize(
        "script",
        [
            {"match": {"colour": "red"}, "faults": ["ok"]},
            {"match": {}, "faults": []},
            {"match": {}, "faults": ["nonsense"]},
            {"match": {"operation": "dance"}, "faults": ["ok"]},
            {"match": [], "faults": ["ok"]},
        ],
    )
    def test_refuse_a_script_that_could_never_fire(self, network, script):
        assert network.client.post("/sim/faults", json=script).status_code == 422


class TestItsMemory:
    @pytest.fixture
    def mortal(self, tmp_path: Path, settings: Any) -> Iterator[Network]:
        with started_network(tmp_path / "network") as network:
            point_adapter_at(network, settings)
            yield network
        registry.reset()

    def test_survives_kill_nine(self, mortal):
        provider, used = registry.provider(), key()
        price = Money(1999, "USD")
        request = AuthorizeRequest(used, price, "pay_mortal", mortal.card()["token"])
        before = provider.authorize(request)
        assert isinstance(before, Approved)
        mortal.script("decline", operation="capture")
        mortal.kill()
        assert provider.health() is False
        mortal.start()
        assert provider.find(used, price) == before
        assert provider.authorize(request) == before
        assert len(mortal.truth()) == 1
        capture = CaptureRequest(key(), price, "pay_mortal", before.reference)
        assert isinstance(provider.capture(capture), Declined)

    def test_loses_nothing_that_was_answered_when_killed_in_mid_load(self, mortal):
        token = mortal.card()["token"]
        answered: list[str] = []
        unknown: list[str] = []
        enough = threading.Event()

        def pay() -> None:
            provider = registry.provider()
            while not enough.is_set():
                used = key()
                outcome = provider.authorize(AuthorizeRequest(used, Money(1, "USD"), "pay_load", token))
                (answered if isinstance(outcome, Approved) else unknown).append(used)

        threads = [threading.Thread(target=pay) for _ in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(answered) > 100, "a hundred are authorized")
        mortal.kill()
        eventually(lambda: bool(unknown), "a call has met the kill")
        enough.set()
        for thread in threads:
            thread.join()
        mortal.start()
        known = {row["idempotency_key"] for row in mortal.truth()}
        assert set(answered) <= known
        assert known <= set(answered) | set(unknown)

    def test_leaves_its_port_when_only_its_server_is_killed(self, mortal):
        authorize(mortal)
        assert mortal.process is not None
        os.kill(mortal.process.pid, signal.SIGKILL)
        mortal.process.wait()
        eventually(lambda: not registry.provider().health(), "the worker has ended too")
        mortal.start()
        assert len(mortal.truth()) == 1

    def test_is_emptied_by_reset(self, mortal):
        authorize(mortal)
        mortal.reset()
        assert mortal.truth() == []


def _at_once(works: list[Any]) -> None:
    gate = threading.Barrier(len(works))

    def run(work: Any) -> None:
        gate.wait()
        work()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
