"""The use-cases of money out. `Answer` is what a request hands in to be told of the result."""

from collections.abc import Callable
from typing import Any

Answer = Callable[[Any], None]
