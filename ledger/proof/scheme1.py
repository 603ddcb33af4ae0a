"""The first scheme of blocks: a root over the rows' own hashes, entries first. Sealed no more, still
verified.

What an entry's content hash and an event's signature do not cover (when it was recorded, in which
transaction) may be changed unseen in these blocks.
"""

import hashlib
import json
from typing import Final

from ledger.models import SealBlock
from ledger.proof import json_rows, naming
from ledger.proof.rows import Record

EVENT_HASH_AT: Final = -3  # its place in an event's text


def fault_of(block: SealBlock) -> str:
    """Return what is wrong with the rows of a block, nothing when they are as they were sealed."""
    digest = hashlib.sha256()
    entries = events = 0
    start, end = block.transaction_from, block.transaction_to
    for _, own_hash, record, is_as_written in json_rows.entry_hashes(start, end):
        if not is_as_written:
            return f"entry {Record.parse(bytes(record)).id} is not as it was written"
        digest.update(bytes(own_hash))
        entries += 1
    digest.update(b"|")
    for _, record, text in json_rows.event_records(start, end):
        wrong = naming.wrong_signature(json_rows.event(text))
        if wrong:
            return f"event {Record.parse(bytes(record)).id} {wrong}"
        digest.update(bytes.fromhex(json.loads(text)[EVENT_HASH_AT]))
        events += 1
    digest.update(b"|")
    if (digest.digest(), entries, events) != (bytes(block.root), block.entries, block.events):
        sealed = f"{block.entries} entries and {block.events} events"
        return f"{entries} entries and {events} events stand where {sealed} were sealed"
    return ""
