"""What a process holds for good is not walked over, and what is new not too often."""

import gc

from config import memory


def test_settling_leaves_what_there_is_alone_and_makes_collections_rare():
    before = gc.get_threshold()
    try:
        memory.settle()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == memory.THRESHOLDS
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_circles_are_still_collected():
    before = gc.get_threshold()
    gc.set_threshold(*memory.THRESHOLDS)
    collected = gc.get_stats()[0]["collected"]
    try:
        for _ in range(2 * memory.THRESHOLDS[0]):
            circle: list[object] = []
            circle.append(circle)
    finally:
        gc.set_threshold(*before)
    assert gc.get_stats()[0]["collected"] - collected >= memory.THRESHOLDS[0]
