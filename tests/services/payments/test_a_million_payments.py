"""A page of a hundred payments costs the same however many there are: so says the plan with a million.

The rows are made by the owner, with the state's triggers off, and are gone with the test. What is asserted is
the plan that PostgreSQL took, not a time: it reads an index in the order of the page, and no more of it than
the page needs.
"""

import json

import pytest
from django.db import connection

from payments import selectors
from payments.models import Payment
from payments.states import CAPTURED
from tests.factories import payments as rows
from tests.kit.owner import OWNERS, unguarded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.django_db(databases=OWNERS)]

PAGE = 100
MILLION = 1_000_000
BLOCKS_MAX = 2_500  # for 101 payments, their open operations and shares, cold; a scan of all takes 40,000


@pytest.fixture
def a_million(as_owner, northwind):
    """One payment a million times: 1,000 orders, 100 customers, nine in ten captured, three in ten in EUR."""
    like = rows.create_payment(northwind)
    other = {
        "id": "uuidv7()",
        "number": "'PAY-' || n",
        "order_ref": "'order-' || mod(n, 1000)",
        "customer_ref": "'customer-' || mod(n, 100)",
        "state": "CASE mod(n, 10) WHEN 0 THEN 'created' ELSE 'captured' END",
        "currency": "CASE WHEN mod(n, 10) < 3 THEN 'EUR' ELSE 'USD' END",
    }
    columns = [field.column for field in Payment._meta.concrete_fields]
    with unguarded("payments_payment"), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO payments_payment ({', '.join(columns)}) "
            f"SELECT {', '.join(other.get(column, f'p.{column}') for column in columns)} "
            "FROM payments_payment p, generate_series(1, %s) n WHERE p.id = %s",
            [MILLION, like.pk],
        )
        cursor.execute("ANALYZE payments_payment")


def plan_of(queryset):
    (line,) = json.loads(queryset.explain(format="json", analyze=True, buffers=True))
    return line["Plan"]


def nodes(plan):
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def test_pages_are_read_from_an_index_in_their_order(a_million, northwind):
    every = selectors.payments(northwind.pk)
    lists = {
        "all": every,
        "of a status": selectors.payments_with_status(northwind.pk, CAPTURED),
        "of a customer": every.filter(customer_ref="customer-7"),
        "of an order": every.filter(order_ref="order-7"),
        "in a currency": every.filter(currency="EUR"),
    }
    middle = every.order_by("-pk")[MILLION // 2 : MILLION // 2 + 1].get().pk
    lists |= {f"{name}, from the middle": found.filter(pk__lt=middle) for name, found in lists.items()}
    for name, found in lists.items():
        plan = plan_of(found.order_by("-pk")[: PAGE + 1])
        kinds = {node["Node Type"] for node in nodes(plan)}
        blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        assert plan["Actual Rows"] == PAGE + 1, name
        assert not kinds & {"Seq Scan", "Sort", "Incremental Sort", "Bitmap Heap Scan"}, (name, kinds)
        assert blocks <= BLOCKS_MAX, (name, blocks)
