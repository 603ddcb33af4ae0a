"""What a process holds for good, put out of the garbage collector's sight.

A collection walks over every object that is not in its oldest rest; modules, models and URL tables are some
hundred thousand, and none of them is ever garbage. In a process that was forked it writes to each page on its
way, so that every page is copied: that was half of the Python time of posting a batch.
"""

import gc


def settle() -> None:
    """Leave all that this process holds now to no later collection; call it once everything is imported."""
    gc.collect()
    gc.freeze()
