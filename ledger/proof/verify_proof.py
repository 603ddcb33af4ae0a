"""Verify a proof of the books without the house that wrote it: one file, Python's standard library.

    python3 -I verify_proof.py PROOF.jsonl.gz [--key KEYS.json] [--head HEADS.jsonl]

The proof (`manage.py export_proof`) holds blocks and, in the order in which they were sealed, their rows
or, for rows of other merchants, hashes that stand for them. Checked: the chain of blocks, each block's
Merkle root (RFC 6962, 2.1), each row's leaf, each entry's content hash, its balance per currency, the
running balances of each account. With keys ({"key id": "key"}) also the MACs of blocks and the signatures
of events; with heads, the lines that the house writes outside its database, that these are the blocks it
once noted. Exit 0: it holds; 1: refused, naming the first bad row; 2: the files could not be read. It
shares no code with the house.
"""

import argparse
import gzip
import hashlib
import hmac
import json
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

FORMAT = "everycent-proof/2"
SCHEMES = ENTRIES_OVER_HASHES, MERKLE, WITH_AUDIT, ROW_IMAGES = 1, 2, 3, 4
TO_2000 = 946_684_800_000_000  # microseconds from 1970 to where PostgreSQL counts from
COUNTED = ("blocks", "entries", "postings", "events", "audits", "archived")
KINDS = {"entry": (b"E", "entries"), "event": (b"V", "events"), "audit": (b"A", "audits")}
UNREADABLE = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, EOFError, zlib.error,
)  # fmt: skip
Row = list[Any]


class Refused(Exception):
    """The proof does not hold; the message names what."""


def refuse_if(is_wrong: object, why: str) -> None:
    """Refuse the proof when something is wrong."""
    if is_wrong:
        raise Refused(why)


class Tree:
    """A Merkle tree of RFC 6962 that grows at its right end, by leaves or by whole subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[tuple[int, bytes]] = []

    def add(self, size: int, found: bytes) -> None:
        """Add the hash of a whole subtree of `size` leaves."""
        if size < 1 or size & (size - 1) or self.size % size:
            raise Refused(f"{size} leaves cannot be left out after leaf {self.size}")
        self.size += size
        while self.peaks and self.peaks[-1][0] == size:
            found = hashlib.sha256(b"\x01" + self.peaks.pop()[1] + found).digest()
            size *= 2
        self.peaks.append((size, found))

    def root(self) -> bytes:
        """Return the hash of the whole tree."""
        found = self.peaks[-1][1] if self.peaks else hashlib.sha256().digest()
        for _, left in reversed(self.peaks[:-1]):
            found = hashlib.sha256(b"\x01" + left + found).digest()
        return found


class Verification:
    """What is known while the proof is read from its first line to its last."""

    def __init__(self, keys: dict[str, str], heads: list[dict[str, Any]]) -> None:
        self.keys, self.heads = keys, heads
        self.header, self.block = dict[str, Any](), dict[str, Any]()
        self.tree, self.kinds, self.left_out, self.anchored = Tree(), Counter[str](), 0, 0
        self.old_root, self.counted = hashlib.sha256(), Counter[str]()
        # By account, balances that postings led to less those they began from: a path leaves its two ends.
        self.balances: dict[int, Counter[int]] = {}

    def read_header(self, line: str) -> None:
        """Take the first line."""
        self.header = json.loads(line)
        refuse_if(self.header["format"] != FORMAT, f"the format is not {FORMAT}")
        self.heads = [head for head in self.heads if head["database"] == self.header["database"]]

    def read_line(self, line: str) -> None:
        """Take a line between the first and the last."""
        if line.startswith("["):
            self.read_row(line)
            return
        found = json.loads(line)
        if "block" in found:
            self.end_block()
            self.begin_block(found["block"])
        else:
            self.tree.add(found["skip"], bytes.fromhex(found["hash"]))
            self.left_out += found["skip"]
            is_archived = found.get("archived", False)
            self.counted["archived"] += found["skip"] if is_archived else 0
            is_owed = not is_archived and self.header["merchant"] is None
            refuse_if(is_owed, "rows are left out of a proof that is not of one merchant alone")

    def begin_block(self, block: dict[str, Any]) -> None:
        """Check a block by itself and against the one before it."""
        name, before = f"block {block['number']}", self.block
        if before and (block["number"] != before["number"] + 1 or block["previous"] != before["hash"]):
            raise Refused(f"{name} does not follow block {before['number']}")
        if before and block["from"] != before["to"]:
            raise Refused(f"{name} does not begin where block {before['number']} ends")
        if not before and (block["number"] == 1) != (block["previous"] == ""):
            raise Refused(f"{name} does not stand at the beginning of the chain")
        refuse_if(hash_of_block(block) != block["hash"], f"{name} was changed")
        if self.keys:
            mac = hmac.new(self.key(block["key"]), bytes.fromhex(block["hash"]), hashlib.sha256).hexdigest()
            is_right = hmac.compare_digest(mac, block["mac"])
            refuse_if(not is_right, f"{name} was not sealed with the key {block['key']!r}")
        for head in (head for head in self.heads if head["number"] == block["number"]):
            is_it = (head["hash"], head["mac"]) == (block["hash"], block["mac"])
            refuse_if(not is_it, f"{name} is not the one whose head was kept")
            self.anchored = block["number"]
        self.block, self.tree, self.kinds, self.left_out = block, Tree(), Counter(), 0
        self.old_root = hashlib.sha256()
        self.counted["blocks"] += 1

    def end_block(self) -> None:
        """Check what was read of a block against its root."""
        block = self.block
        if not block:
            return
        name, size = f"block {block['number']}", sum(block[name] for name in ("entries", "events", "audits"))
        if block["scheme"] == ENTRIES_OVER_HASHES:
            if self.header["merchant"] is not None:
                return
            if not self.kinds["event"]:
                self.old_root.update(b"|")
            self.old_root.update(b"|")
            found = self.old_root.hexdigest()
        else:
            found = self.tree.root().hex()
        if self.tree.size != size or found != block["root"]:
            raise Refused(f"{name}: its rows are not the {size} that were sealed")
        if not self.left_out and self.kinds["entry"] != block["entries"]:
            raise Refused(f"{name}: {self.kinds['entry']} entries stand where {block['entries']} were sealed")

    def read_row(self, line: str) -> None:
        """Check a row against its leaf and by what it says, and add it to its block."""
        leaf, text = line[2:66], line[68:-1]
        refuse_if((line[:2], line[66:68], line[-1]) != ('["', '",', "]"), "the line is no row")
        is_image = text.startswith('"')
        content = bytes.fromhex(text[1:-1]) if is_image else text.encode()
        refuse_if(is_image and text != f'"{content.hex()}"', "the line is no row")
        row, lines, hints = parsed_image(content) if is_image else parsed_json(text)
        name = f"{row[0]} {row[1]}"
        refuse_if(hashlib.sha256(content).hexdigest() != leaf, f"{name} is not as it was sealed")
        if not self.block or is_image != (self.block["scheme"] >= ROW_IMAGES):
            raise Refused(f"{name} is not written as its block is")
        begins = self.block["audits_from" if row[0] == "audit" else "from"]
        if not begins <= int(row[-1]) < self.block["to"]:
            raise Refused(f"{name} is of a transaction that its block does not hold")
        refuse_if(self.header["merchant"] not in (None, row[2]), f"{name} is of another merchant")
        if row[0] == "entry":
            self.check_entry(name, row, lines)
        elif row[0] == "event":
            self.check_event(name, row)
            hints = UUID(row[4]).bytes
        else:
            is_record = len(row) == 19 and self.block["scheme"] >= WITH_AUDIT
            refuse_if(not is_record, f"{name} is no audit record")
            hints = moment_kept(row[3])
        kind, counted_as = KINDS[row[0]]
        self.kinds[row[0]] += 1
        self.counted[counted_as] += 1
        self.counted["postings"] += len(lines)
        count = (len(hints) // 4).to_bytes(4, "big")
        record = kind + UUID(row[1]).bytes + bytes.fromhex(leaf) + count + hints
        self.tree.add(1, hashlib.sha256(b"\x00" + record).digest())

    def check_entry(self, name: str, row: Row, lines: list[Row]) -> None:
        """Check an entry with its postings."""
        refuse_if(self.kinds["event"] or self.kinds["audit"], f"{name} stands among other rows")
        sums = Counter[str]()
        for number, line in enumerate(lines, 1):
            is_part = (line[0], line[1], line[10]) == (number, row[2], row[11])
            refuse_if(not is_part, f"{name}: posting {line[0]} is not a part of it")
            sums[line[5]] += line[6]
            self.follow(line[2], line[6], line[7])
        refuse_if(any(sums.values()) or not lines, f"{name} does not balance: {dict(sums)}")
        is_same = content_hash(row, lines) == row[10]
        refuse_if(not is_same, f"{name} does not have the content that was hashed when it was written")
        self.old_root.update(bytes.fromhex(row[10]))

    def check_event(self, name: str, row: Row) -> None:
        """Check an event."""
        refuse_if(len(row) != 23 or self.kinds["audit"], f"{name} is no event")
        is_right = not self.keys or hmac.compare_digest(signature(row, self.key(row[21])), row[20])
        refuse_if(not is_right, f"{name} was not signed with the key {row[21]!r}")
        if not self.kinds["event"]:
            self.old_root.update(b"|")
        self.old_root.update(bytes.fromhex(row[20]))

    def follow(self, account: int, amount: int, after: int | None) -> None:
        """Note from which balance to which a posting led; accounts that are rolled up keep none."""
        if after is None:
            return
        seen = self.balances.setdefault(account, Counter())
        for balance, step in ((after, 1), (after - amount, -1)):
            seen[balance] += step
            if not seen[balance]:
                del seen[balance]

    def read_end(self, line: str, digest: str) -> None:
        """Take the last line: what was written in all."""
        self.end_block()
        end = json.loads(line)["end"]
        counted = {name: self.counted[name] for name in COUNTED}
        if {name: end[name] for name in counted} != counted:
            raise Refused(f"{counted} were read, not what the end tells")
        refuse_if(end["sha256"] != digest, "a line before the end was changed")
        refuse_if(self.heads and not self.anchored, "none of the blocks is one whose head was kept")
        if self.header["is_whole"]:
            for account, seen in self.balances.items():
                if sorted(seen.values()) not in ([], [-1, 1]) or (seen and seen[0] != -1):
                    raise Refused(f"account {account}: its running balances do not join: {dict(seen)}")

    def key(self, key_id: str) -> bytes:
        """Return a key that was given."""
        refuse_if(key_id not in self.keys, f"the key {key_id!r} was not given")
        return self.keys[key_id].encode()


def hash_of_block(block: dict[str, Any]) -> str:
    """Return the hash over what a block says, as the house computes it."""
    number, scheme = int(block["number"]), block["scheme"]
    refuse_if(scheme not in SCHEMES, f"block {number} has an unknown scheme")
    names = ("entries", "postings", "events") if scheme >= MERKLE else ("entries", "events")
    audits = [block["audits_from"], block["audits"]]
    is_older = scheme < WITH_AUDIT
    refuse_if(is_older and any(audits), f"block {number} is of a scheme that seals no audit records")
    counts = [block[name] for name in names] + ([] if is_older else audits)
    parts = [number, block["from"], block["to"], *counts, block["root"], block["previous"], block["key"]]
    if scheme >= MERKLE:
        parts = [scheme, block["sealed_at"], *parts]
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def parsed_json(text: str) -> tuple[Row, list[Row], bytes]:
    """Return a row of schemes 1 to 3, an entry's postings, and what its record has of each of them."""
    found = json.loads(text)
    if not isinstance(found[0], list):
        return found, [], b""
    row, lines = found
    if len(row) != 12 or any(len(line) != 11 for line in lines):
        raise Refused(f"entry {row[1]} is not written as entries are")
    texts = [json.dumps(line, ensure_ascii=False) for line in lines]  # as PostgreSQL writes it, byte for byte
    return row, lines, b"".join(hashlib.sha256(text.encode()).digest()[:4] for text in texts)


def parsed_image(image: bytes) -> tuple[Row, list[Row], bytes]:
    """Return the same of scheme 4: behind an entry's image stand each posting's and that of its account."""
    row, at = columns(image, 0)
    lines, hints = [], b""
    while at < len(image):
        line, middle = columns(image, at)
        account, end = columns(image, middle)
        if (len(line), len(account), line[1:3]) != (9, 4, account[:2]):
            raise Refused(f"entry {row[1]} is not written as entries are")
        lines.append([*line[:3], *account[2:], *line[3:]])
        hints += zlib.crc32(image[at:end]).to_bytes(4, "big")
        at = end
    if row[0] == "event" and row[10] is not None:
        row[10] = [row[10]]
    return row, lines, hints


def columns(image: bytes, at: int) -> tuple[Row, int]:
    """Return the columns that PostgreSQL's `record_send` wrote from a place on, and where they end."""
    row: Row = []
    # Their number; then of each its type, its length (-1: null) and its bytes, as that type is sent.
    count, at = whole(image[at : at + 4]), at + 4
    for _ in range(count):
        kind, length = whole(image[at : at + 4]), whole(image[at + 4 : at + 8])
        at += 8 + max(length, 0)
        row.append(None if length < 0 else SENT[kind](image[at - length : at]))
    refuse_if(at > len(image), "the row is cut off")
    return row, at


whole = partial(int.from_bytes, byteorder="big", signed=True)
# bytea and inet; bigint and xid8; text; timestamptz; uuid; jsonb, behind the version of its format
SENT: dict[int, Callable[[bytes], Any]] = {
    17: bytes.hex, 869: bytes.hex, 20: whole, 5069: whole, 25: bytes.decode,
    1184: lambda sent: whole(sent) + TO_2000, 2950: lambda sent: str(UUID(bytes=sent)),
    3802: lambda sent: json.loads(sent[1:]),
}  # fmt: skip


def content_hash(row: Row, lines: list[Row]) -> str:
    """Return the hash of an entry's content, as it is computed when the entry is written."""
    text_of_lines = ",".join(
        f"{line[0]}:{line[2]}:{line[5]}:{line[6]}:{line[8]}:{'' if line[7] is None else line[7]}"
        for line in lines
    )
    facts, moment = row[1:7], microseconds(row[8])
    seconds = f"{moment // 1_000_000}.{moment % 1_000_000:06}"
    text = "|".join([*facts, seconds, row[7] or "", text_of_lines])
    return hashlib.sha256(text.encode()).hexdigest()


def signature(row: Row, key: bytes) -> str:
    """Return the HMAC of an event's content, as it is computed when the event is written."""
    names = ("id", "merchant", "subject", "subject_id", "sequence", "type", "from", "to", "payload")
    content = dict(zip(names, row[1:10], strict=True))
    content |= {
        "cause": row[11:13], "actor": row[13:15], "entry": row[15] or "", "request": row[16],
        "at": microseconds(row[17]), "previous": row[19],
    }  # fmt: skip
    if row[10] is not None:
        content["changes"] = row[10][0]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def moment_kept(moment: str | int) -> bytes:
    """Return what is kept of an audit record's moment: itself, before scheme 4 its month from year 0 on."""
    if isinstance(moment, int):
        return (moment - TO_2000).to_bytes(8, "big", signed=True)
    if moment.lstrip("-") == "infinity":
        return bytes(4)
    year, month = moment.split("-")[:2]
    months = (-int(year) if moment.endswith("BC") else int(year)) * 12 + int(month) - 1
    return months.to_bytes(4, "big", signed=True)


def microseconds(moment: str | int) -> int:
    """Return the microseconds since 1970 of a moment in UTC; an image tells just these."""
    if isinstance(moment, int):
        return moment
    found = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return int(found.timestamp()) * 1_000_000 + found.microsecond


def verify(lines: Iterator[bytes], verification: Verification) -> None:
    """Read the whole proof.

    :raises Refused: naming the first line that is bad, and the row.
    """
    digest, number, last = hashlib.sha256(), 0, b""
    try:
        for number, line in enumerate(lines, 1):
            refuse_if(not line.endswith(b"\n"), "the line is cut off")
            refuse_if(last.startswith(b'{"end"'), "something stands behind the end")
            if line.startswith(b'{"end"'):
                verification.read_end(line.decode(), digest.hexdigest())
            elif number == 1:
                verification.read_header(line.decode())
            else:
                verification.read_line(line[:-1].decode())
            digest.update(line)
            last = line
        refuse_if(not last.startswith(b'{"end"'), "the proof has no end: lines are missing")
    except Refused as refused:
        raise Refused(f"line {number}: {refused}") from refused
    except UNREADABLE as error:
        raise Refused(f"line {number}: not what was written ({type(error).__name__}: {error})") from error


def main(arguments: list[str] | None = None) -> int:
    """Verify the proof that the command line names."""
    parser = argparse.ArgumentParser(description="Verify a proof of the books.")
    parser.add_argument("proof", help="the file that export_proof wrote")
    parser.add_argument("--key", help='a file with {"key id": "key"}: check MACs and signatures')
    parser.add_argument("--head", help="a file with lines that the house noted outside its database")
    given = parser.parse_args(arguments)
    try:
        keys = json.loads(Path(given.key).read_text("utf-8")) if given.key else {}
        noted = Path(given.head).read_text("utf-8").splitlines() if given.head else []
        found = Verification(keys, [json.loads(line) for line in noted if line.strip()])
        with (gzip.open if given.proof.endswith(".gz") else open)(given.proof, "rb") as file:
            verify(iter(file), found)
    except Refused as refused:
        sys.stdout.write(f"REFUSED {refused}\n")
        return 1
    except (OSError, ValueError) as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return 2
    counted = ", ".join(f"{found.counted[name]} {name}" for name in COUNTED)
    macs = "MACs and signatures are right" if keys else "no key was given: MACs and signatures not checked"
    anchor = f"block {found.anchored} is the one noted outside" if found.anchored else "no head was given"
    sys.stdout.write(f"holds: {counted}; {macs}; {anchor}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
