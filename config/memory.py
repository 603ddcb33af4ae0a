"""What a process holds for good, put out of the garbage collector's sight.

A collection walks over every object that is not in its oldest rest; modules, models and URL tables are some
hundred thousand, and none of them is ever garbage. In a process that was forked it writes to each page on its
way, so that every page is copied: that was half of the Python time of posting a batch.

What remains is looked through less often than the interpreter would: next to nothing of a request is left in
circles, and whatever lives while several requests are under way was walked over a dozen times by each.
"""

import gc
from typing import Final

# New objects, then young and middle collections before the next older one (the interpreter's: 700, 10, 10).
THRESHOLDS: Final = (10_000, 20, 20)


def settle() -> None:
    """Leave all that this process holds now to no later collection; call it once everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
