"""Any row is told by its image alone, as the verifier of proofs reads it: so no two rows share one."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.proof import row_images, verify_proof

pytestmark = pytest.mark.django_db
SOME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
BEGAN = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = {"infinity": 2**63 - 1, "-infinity": -(2**63)}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(texts, some, max_size=3),
    max_leaves=6,
)
moments = st.sampled_from(sorted(FOREVER)) | st.datetimes(
    datetime(1900, 1, 1), datetime(2300, 1, 1), timezones=st.just(UTC)
).map(lambda moment: moment.isoformat())
acts = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str), "merchant_id": st.none() | st.uuids().map(str), "at": moments,
        **dict.fromkeys(
            ("actor_kind", "actor_id", "actor_label", "role", "action", "object_type", "object_id", "outcome",
             "reason"), texts),
        "before": documents, "after": documents, "request_id": texts,
        "ip": st.none() | st.ip_addresses().map(str), "user_agent": texts, "xid": st.integers(0, 2**64 - 1),
    }
)  # fmt: skip
numbers = st.integers(-(2**63), 2**63 - 1)
lines = st.fixed_dictionaries(
    {
        "line": st.integers(-(2**15), 2**15 - 1), "merchant_id": st.uuids().map(str),
        "account_id": numbers, "currency": texts.map(lambda text: text[:3]),
        "amount": numbers, "balance_after": st.none() | numbers,
        "purpose": texts, "recorded_at": moments, "xid": st.integers(0, 2**64 - 1),
    }
)  # fmt: skip


def image(expression: str, table: str, alias: str, row: dict) -> bytes:
    told = {name: str(value) if name == "xid" else value for name, value in row.items()}
    columns = ", ".join(
        f"%({name})s::text::jsonb AS {name}" if name in ("before", "after") else f"j.{name}" for name in told
    )
    parameters = {name: json.dumps(told[name]) for name in ("before", "after") if name in told}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {expression} FROM (
                    SELECT {columns} FROM json_populate_record(NULL::{table}, %(row)s::json) j) {alias}""",
            {"row": json.dumps({**told, "before": None, "after": None}), **parameters},
        )
        return bytes(cursor.fetchone()[0])


def read(sent: bytes) -> list:
    row, end = verify_proof.columns(sent, 0)
    assert end == len(sent)
    return row


def microseconds(moment: str) -> int:
    if moment in FOREVER:
        return FOREVER[moment] + verify_proof.TO_2000
    return (datetime.fromisoformat(moment) - BEGAN) // timedelta(microseconds=1)


def signed(number: int) -> int:
    return int.from_bytes(number.to_bytes(8, "big"), "big", signed=True)


def as_told(row: dict) -> dict:
    changed = {"xid": signed(row["xid"])}
    return row | changed | {name: microseconds(row[name]) for name in ("at", "recorded_at") if name in row}


LINE = (
    "line", "merchant_id", "account_id", "currency", "amount", "balance_after", "purpose", "recorded_at",
    "xid",
)  # fmt: skip
ACT = (
    "id", "merchant_id", "at", "actor_kind", "actor_id", "actor_label", "role", "action", "object_type",
    "object_id", "outcome", "reason", "before", "after", "request_id", "ip", "user_agent", "xid",
)  # fmt: skip


@SOME
@given(row=acts)
def test_an_act_is_read_back_from_its_image(db, row):
    word, *values = read(image(row_images.AUDIT_IMAGE, "ledger_audit", "r", row))
    found = dict(zip(ACT, values, strict=True))
    assert word == "audit"
    assert (found["ip"] is None) == (row["ip"] is None)
    assert {**found, "ip": None} == {**as_told(row), "ip": None}


@SOME
@given(
    row=lines,
    other=lines,
    name=st.sampled_from(["line", "purpose", "amount", "balance_after", "recorded_at"]),
)
def test_a_posting_is_read_back_and_any_column_changed_makes_another_image(db, row, other, name):
    sent = image(row_images.LINE_IMAGE, "ledger_posting", "p", row)
    assert dict(zip(LINE, read(sent), strict=True)) == as_told(row)
    changed = image(row_images.LINE_IMAGE, "ledger_posting", "p", {**row, name: other[name]})
    assert (changed == sent) == (other[name] == row[name])


def test_null_and_nothing_and_the_word_null_are_three(db):
    names = ("line", "merchant_id", "account_id", "currency", "amount", "balance_after", "recorded_at")
    row = {**dict.fromkeys(names), "xid": 1}
    images = {
        image(row_images.LINE_IMAGE, "ledger_posting", "p", {**row, "purpose": purpose})
        for purpose in (None, "", "null", "NULL")
    }
    assert len(images) == 4
