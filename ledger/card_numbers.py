"""Card numbers where none may be: found and hidden, 13 to 19 Luhn-valid digits, also with spaces or dashes.

Only the ranges that card networks use count, and UUIDs, IBANs and random tokens are left out, because one in
ten arbitrary numbers is Luhn-valid and a merchant's order number must not be refused for that.
Source of the ranges: ISO/IEC 7812 and the networks' published BIN tables.
"""

import re
import unicodedata
from typing import Final

_SEPARATORS: Final = r"[ \-\u00a0\u2010-\u2015\u2212]"
_RUN: Final = re.compile(rf"\d(?:{_SEPARATORS}{{0,2}}\d){{12,}}")
_SPLIT: Final = re.compile(rf"{_SEPARATORS}+")
_UUID: Final = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_PROTECTED: Final = re.compile(f"{_UUID.pattern}|{_IBAN.pattern}")
_WORD_BEFORE: Final = re.compile(r"[^\W_]*\Z")
_WORD_AFTER: Final = re.compile(r"[^\W_]*")
# Visa, Mastercard (also the 2 series), Amex, Diners, JCB, Discover, Maestro, UnionPay, RuPay, Mir, Troy.
_NETWORK: Final = re.compile(r"3|4|5|6|220[0-4]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|8[12]|9792")
_WORD_LOOK: Final = 48


def find_card_number(text: str) -> bool:
    """Say whether a text holds what looks like a card number."""
    if not _RUN.search(text):
        return False
    text = _IBAN.sub(_blank_iban, _UUID.sub("", text))
    return any(_is_card(text, match) for match in _RUN.finditer(text))


def hide_card_numbers(text: str, mask: str) -> str:
    """Return a text in which every run of digits that holds a card number is the mask."""
    if not _RUN.search(text):
        return text
    pieces, end = [], 0
    for kept in _PROTECTED.finditer(text):
        if _blank_iban(kept):
            continue  # letters and digits that only look like an IBAN
        pieces += [_hide(text[end : kept.start()], mask), kept.group()]
        end = kept.end()
    hidden = "".join([*pieces, _hide(text[end:], mask)])
    # What stands around a UUID may be a number once it is taken out: then nothing of it is shown.
    return mask if find_card_number(hidden) else hidden


def is_luhn_valid(digits: str) -> bool:
    """Say whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def _hide(text: str, mask: str) -> str:
    return _RUN.sub(lambda match: mask if _is_card(text, match) else match.group(), text)


def _is_card(text: str, match: re.Match[str]) -> bool:
    before = _WORD_BEFORE.search(text[max(0, match.start() - _WORD_LOOK) : match.start()])
    after = _WORD_AFTER.match(text, match.end(), match.end() + _WORD_LOOK)
    neighbours = (before.group() if before else "") + (after.group() if after else "")
    if any(letter.isdigit() for letter in neighbours):
        return False  # letters and digits in turn: a token, not a number
    groups = [_ascii_digits(group) for group in _SPLIT.split(match.group())]
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) > 19:
                break
            if len(digits) >= 13 and _NETWORK.match(digits) and is_luhn_valid(digits):
                return True
    return False


def _ascii_digits(text: str) -> str:
    return text if text.isascii() else "".join(str(unicodedata.digit(letter)) for letter in text)


def _blank_iban(match: re.Match[str]) -> str:
    compact = match.group().replace(" ", "")
    if "-" in compact:
        return ""  # a UUID
    number = int("".join(str(int(letter, 36)) for letter in compact[4:] + compact[:4]))
    return "" if number % 97 == 1 else match.group()
