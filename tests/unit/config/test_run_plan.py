"""The keys of a run: always the same for one act, different for every other."""

from config.day.generator import plan_day
from config.day.plan import generated


def test_a_key_follows_from_the_run_and_the_act():
    run = generated(plan_day(1, 1, 20), "2026-01-05")
    assert run.key("pay", "D1-1") == generated(plan_day(1, 1, 20), "2026-01-06").key("pay", "D1-1")
    others = {
        run.key("pay", "D1-2"),
        run.key("refund", "D1-1"),
        run.key("pay", "D1", "1"),
        generated(plan_day(2, 1, 20), "2026-01-05").key("pay", "D1-1"),
        generated(plan_day(1, 2, 20), "2026-01-05").key("pay", "D1-1"),
        generated(plan_day(1, 1, 21), "2026-01-05").key("pay", "D1-1"),
    }
    assert len(others) == 6
    assert run.key("pay", "D1-1") not in others


def test_a_key_is_visible_ascii_whatever_the_order_is_called():
    key = generated(plan_day(1, 1, 20), "2026-01-05").key("pay", "Bestellung \u00fc \n 1")
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key
    assert 8 <= len(key) <= 255
