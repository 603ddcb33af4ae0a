"""What no write may accept: bodies that are not strict JSON, and amounts and currencies that are none.

`BAD_BODIES` are raw bytes for any write; `BAD_AMOUNTS` and `BAD_CURRENCIES` are JSON texts to put where an
amount or a currency stands.
"""

from typing import Final

BAD_BODIES: Final[dict[str, bytes]] = {
    "not json": b"{amount: 1}",
    "cut off": b'{"amount": ',
    "an array": b"[]",
    "a text": b'"pay"',
    "null": b"null",
    "deep": b'{"metadata": ' + b'{"a":' * 40 + b"1" + b"}" * 41,
    "very deep": b'{"metadata": ' + b"[" * 100_000,
    "a key twice": b'{"order_id": "a", "order_id": "b"}',
    "trailing data": b"{} {}",
    "NaN": b'{"amount": NaN}',
    "infinity": b'{"amount": 1e999}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"order_id": "a"}'.encode("utf-16"),
    "invalid UTF-8": b'{"order_id": "\xff"}',
    "a lone surrogate": b'{"order_id": "\\ud800"}',
    "NUL": b'{"order_id": "a\\u0000"}',
    "too many digits": b'{"amount": ' + b"9" * 5_000 + b"}",
    "an unknown field": b'{"colour": "red"}',
    "a card number": b'{"order_id": "4242 4242 4242 4242"}',
}
BAD_AMOUNTS: Final = (
    "-1", "0", "-0", "1.5", "1.0", "1e2", '"100"', '"1_000"', '" 1 "', '"١٢٣"', "true", "null", "[]", "{}",
    "1000000000001", "9223372036854775808", "1000000000000000000000000000000",
)  # fmt: skip
BAD_CURRENCIES: Final = ('"usd"', '"USD "', '"XXX"', '"ZZZ"', '"XAU"', '"💶"', '""', "null", "840", '"US"')
