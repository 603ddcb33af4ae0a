"""Card networks by the first digits of a number: brand, the lengths it issues, the length of its code.

Source: ISO/IEC 7812-1 and the networks' published ranges; the longest matching range wins.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Brand:
    """A card network."""

    name: str
    lengths: frozenset[int]
    code_length: int = 3


def _brand(name: str, *lengths: int, code_length: int = 3) -> Brand:
    return Brand(name, frozenset(lengths), code_length)


_LONG: Final = (16, 17, 18, 19)
VISA: Final = _brand("visa", 13, 16, 19)
MASTERCARD: Final = _brand("mastercard", 16)
AMEX: Final = _brand("amex", 15, code_length=4)
DISCOVER: Final = _brand("discover", *_LONG)
DINERS: Final = _brand("diners", 14, *_LONG)
JCB: Final = _brand("jcb", *_LONG)
UNIONPAY: Final = _brand("unionpay", *_LONG)
MAESTRO: Final = _brand("maestro", 12, 13, 14, 15, *_LONG)
MIR: Final = _brand("mir", *_LONG)
TROY: Final = _brand("troy", 16)

# First and last of a range of leading digits (equally long), and whose it is.
RANGES: Final = (
    ("4", "4", VISA), ("51", "55", MASTERCARD), ("2221", "2720", MASTERCARD),
    ("34", "34", AMEX), ("37", "37", AMEX),
    ("6011", "6011", DISCOVER), ("644", "649", DISCOVER), ("65", "65", DISCOVER),
    ("300", "305", DINERS), ("36", "36", DINERS), ("38", "39", DINERS),
    ("3528", "3589", JCB), ("62", "62", UNIONPAY), ("81", "81", UNIONPAY),
    ("50", "50", MAESTRO), ("56", "58", MAESTRO), ("639", "639", MAESTRO), ("67", "67", MAESTRO),
    ("2200", "2204", MIR), ("9792", "9792", TROY),
)  # fmt: skip

# Published by networks and providers for tests: a live merchant's customer cannot own one.
TEST_NUMBERS: Final = frozenset(
    {
        "4242424242424242", "4111111111111111", "4012888888881881", "4000056655665556", "5555555555554444",
        "2223003122003222", "5200828282828210", "5105105105105100", "378282246310005", "371449635398431",
        "6011111111111117", "3056930009020004", "3566002020360505", "6200000000000005", "4000000000000002",
    }
)  # fmt: skip


def brand_of(number: str) -> Brand | None:
    """Return the network of a card number (digits alone); None when no range holds it."""
    held = [
        (len(first), brand)
        for first, last, brand in RANGES
        if first <= number[: len(first)] <= last and len(number) >= len(first)
    ]
    return max(held, key=lambda found: found[0])[1] if held else None
