"""Verify a proof of the books without the house that wrote it: one file, Python's standard library, no
database.

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
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any
from uuid import UUID

FORMAT = "everycent-proof/2"
ENTRIES_OVER_HASHES, MERKLE, WITH_AUDIT = 1, 2, 3
COUNTED = ("blocks", "entries", "postings", "events", "audits", "archived")
UNREADABLE = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, EOFError, OSError,
    zlib.error,
)  # fmt: skip
Row = list[Any]


class Refused(Exception):
    """The proof does not hold; the message names what."""


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
        self.header: dict[str, Any] = {}
        self.block: dict[str, Any] = {}
        self.tree, self.kinds, self.left_out = Tree(), Counter[str](), 0
        self.old_root = hashlib.sha256()
        self.counted = Counter[str]()
        self.anchored = 0
        # For each account the balances that a posting led to, less those that one began from: one path leaves
        # its end and its beginning.
        self.balances: dict[int, Counter[int]] = {}

    # --- lines ------------------------------------------------------------------------------------------
    def read_header(self, line: str) -> None:
        """Take the first line."""
        self.header = json.loads(line)
        if self.header["format"] != FORMAT:
            raise Refused(f"the format is not {FORMAT}")
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
            if found.get("archived"):
                self.counted["archived"] += found["skip"]
            elif self.header["merchant"] is None:
                raise Refused("rows are left out of a proof that is not of one merchant alone")

    def begin_block(self, block: dict[str, Any]) -> None:
        """Check a block by itself and against the one before it."""
        name, before = f"block {block['number']}", self.block
        if before and (block["number"] != before["number"] + 1 or block["previous"] != before["hash"]):
            raise Refused(f"{name} does not follow block {before['number']}")
        if before and block["from"] != before["to"]:
            raise Refused(f"{name} does not begin where block {before['number']} ends")
        if not before and (block["number"] == 1) != (block["previous"] == ""):
            raise Refused(f"{name} does not stand at the beginning of the chain")
        if hash_of_block(block) != block["hash"]:
            raise Refused(f"{name} was changed")
        if self.keys:
            mac = hmac.new(self.key(block["key"]), bytes.fromhex(block["hash"]), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(mac, block["mac"]):
                raise Refused(f"{name} was not sealed with the key {block['key']!r}")
        for head in self.heads:
            if head["number"] == block["number"]:
                if (head["hash"], head["mac"]) != (block["hash"], block["mac"]):
                    raise Refused(f"{name} is not the one whose head was kept")
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
        if (line[:2], line[66:68], line[-1]) != ('["', '",', "]"):
            raise Refused("the line is no row")
        is_entry = text.startswith("[[")
        name = " ".join(text.split('"', 4)[1:4:2])
        if hashlib.sha256(text.encode()).hexdigest() != leaf:
            raise Refused(f"{name} is not as it was sealed")
        row, lines = parsed_entry(text) if is_entry else (json.loads(text), [])
        begins = self.block.get("audits_from" if row[0] == "audit" else "from", 0)
        if not self.block or not begins <= int(row[-1]) < self.block["to"]:
            raise Refused(f"{name} is of a transaction that its block does not hold")
        if self.header["merchant"] not in (None, row[2]):
            raise Refused(f"{name} is of another merchant")
        if is_entry:
            record = self.entry(name, row, lines, leaf)
        else:
            record = (self.audit if row[0] == "audit" else self.event)(name, row, leaf)
        self.tree.add(1, hashlib.sha256(b"\x00" + record).digest())

    # --- rows -------------------------------------------------------------------------------------------
    def entry(self, name: str, row: Row, lines: list[tuple[str, Row]], leaf: str) -> bytes:
        """Check an entry with its postings; return its record."""
        if row[0] != "entry" or self.kinds["event"] or self.kinds["audit"]:
            raise Refused(f"{name} stands among other rows")
        sums = Counter[str]()
        for number, (_, line) in enumerate(lines, 1):
            if line[0] != number or line[1] != row[2] or line[10] != row[11]:
                raise Refused(f"{name}: posting {line[0]} is not a part of it")
            sums[line[5]] += line[6]
            self.follow(line[2], line[6], line[7])
        if any(sums.values()) or not lines:
            raise Refused(f"{name} does not balance: {dict(sums)}")
        if content_hash(row, [line for _, line in lines]) != row[10]:
            raise Refused(f"{name} does not have the content that was hashed when it was written")
        self.kinds["entry"] += 1
        self.counted["entries"] += 1
        self.counted["postings"] += len(lines)
        self.old_root.update(bytes.fromhex(row[10]))
        hints = b"".join(hashlib.sha256(text.encode()).digest()[:4] for text, _ in lines)
        return b"E" + UUID(row[1]).bytes + bytes.fromhex(leaf) + len(lines).to_bytes(4, "big") + hints

    def event(self, name: str, row: Row, leaf: str) -> bytes:
        """Check an event; return its record."""
        if row[0] != "event" or len(row) != 23 or self.kinds["audit"]:
            raise Refused(f"{name} is no event")
        if self.keys and not hmac.compare_digest(signature(row, self.key(row[21])), row[20]):
            raise Refused(f"{name} was not signed with the key {row[21]!r}")
        if not self.kinds["event"]:
            self.old_root.update(b"|")
        self.kinds["event"] += 1
        self.counted["events"] += 1
        self.old_root.update(bytes.fromhex(row[20]))
        return b"V" + UUID(row[1]).bytes + bytes.fromhex(leaf) + (4).to_bytes(4, "big") + UUID(row[4]).bytes

    def audit(self, name: str, row: Row, leaf: str) -> bytes:
        """Check an audit record; return its record, in which its month stands."""
        if len(row) != 19 or self.block["scheme"] != WITH_AUDIT:
            raise Refused(f"{name} is no audit record")
        self.kinds["audit"] += 1
        self.counted["audits"] += 1
        month = month_of(row[3]).to_bytes(4, "big", signed=True)
        return b"A" + UUID(row[1]).bytes + bytes.fromhex(leaf) + (1).to_bytes(4, "big") + month

    def follow(self, account: int, amount: int, after: int | None) -> None:
        """Note from which balance to which a posting led; accounts that are rolled up keep none."""
        if after is None:
            return
        seen = self.balances.setdefault(account, Counter())
        for balance, step in ((after, 1), (after - amount, -1)):
            seen[balance] += step
            if not seen[balance]:
                del seen[balance]

    # --- the end ----------------------------------------------------------------------------------------
    def read_end(self, line: str, digest: str) -> None:
        """Take the last line: what was written in all."""
        self.end_block()
        end = json.loads(line)["end"]
        counted = {name: self.counted[name] for name in COUNTED}
        if {name: end[name] for name in counted} != counted:
            raise Refused(f"{counted} were read, not what the end tells")
        if end["sha256"] != digest:
            raise Refused("a line before the end was changed")
        if self.heads and not self.anchored:
            raise Refused("none of the blocks is one whose head was kept")
        if self.header["is_whole"]:
            for account, seen in self.balances.items():
                if sorted(seen.values()) not in ([], [-1, 1]) or (seen and seen[0] != -1):
                    raise Refused(f"account {account}: its running balances do not join: {dict(seen)}")

    def key(self, key_id: str) -> bytes:
        """Return a key that was given."""
        if key_id not in self.keys:
            raise Refused(f"the key {key_id!r} was not given")
        return self.keys[key_id].encode()


def hash_of_block(block: dict[str, Any]) -> str:
    """Return the hash over what a block says, as the house computes it."""
    number, merkle = int(block["number"]), block["scheme"] != ENTRIES_OVER_HASHES
    if block["scheme"] not in (ENTRIES_OVER_HASHES, MERKLE, WITH_AUDIT):
        raise Refused(f"block {number} has an unknown scheme")
    counts = [block[name] for name in ("entries", "postings", "events") if merkle or name != "postings"]
    if block["scheme"] == WITH_AUDIT:
        counts += [block["audits_from"], block["audits"]]
    elif (block["audits_from"], block["audits"]) != (0, 0):
        raise Refused(f"block {number} is of a scheme that seals no audit records")
    parts = [number, block["from"], block["to"], *counts, block["root"], block["previous"], block["key"]]
    if merkle:
        parts = [block["scheme"], block["sealed_at"], *parts]
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def parsed_entry(text: str) -> tuple[Row, list[tuple[str, Row]]]:
    """Return an entry and its postings; of each posting also its text, byte for byte."""
    decoder = json.JSONDecoder()
    row, at = decoder.raw_decode(text, 1)
    if text[at : at + 3] != ", [" or len(row) != 12:
        raise Refused("the line is no entry")
    at, lines = at + 3, []
    while text[at] == "[":
        line, end = decoder.raw_decode(text, at)
        lines.append((text[at:end], line))
        at = end + 2 if text[end : end + 2] == ", " else end
    if text[at:] != "]]" or any(len(line) != 11 for _, line in lines):
        raise Refused(f"entry {row[1]} is not written as entries are")
    return row, lines


def content_hash(row: Row, lines: list[Row]) -> str:
    """Return the hash of an entry's content, as it is computed when the entry is written."""
    text_of_lines = ",".join(
        f"{line[0]}:{line[2]}:{line[5]}:{line[6]}:{line[8]}:{'' if line[7] is None else line[7]}"
        for line in lines
    )
    _, entry_id, merchant, kind, source_type, source_id, step, reverses, occurred, *_ = row
    moment = microseconds(occurred)
    seconds = f"{moment // 1_000_000}.{moment % 1_000_000:06}"
    parts = [entry_id, merchant, kind, source_type, source_id, step, seconds, reverses or "", text_of_lines]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def signature(row: Row, key: bytes) -> str:
    """Return the HMAC of an event's content, as it is computed when the event is written."""
    names = (
        "id", "merchant", "subject", "subject_id", "sequence", "type", "from", "to", "payload",
    )  # fmt: skip
    content = dict(zip(names, row[1:10], strict=True))
    content |= {
        "cause": row[11:13], "actor": row[13:15], "entry": row[15] or "", "request": row[16],
        "at": microseconds(row[17]), "previous": row[19],
    }  # fmt: skip
    if row[10] is not None:
        content["changes"] = row[10][0]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def month_of(moment: str) -> int:
    """Return the months from year 0 to a moment in UTC; 0 when it is at no end of time."""
    if moment.lstrip("-") == "infinity":
        return 0
    year, month = moment.split("-")[:2]
    return (-int(year) if moment.endswith("BC") else int(year)) * 12 + int(month) - 1


def microseconds(moment: str) -> int:
    """Return the microseconds since 1970 of a moment in UTC."""
    found = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return int(found.timestamp()) * 1_000_000 + found.microsecond


def verify(lines: Iterator[bytes], verification: Verification) -> None:
    """Read the whole proof.

    :raises Refused: naming the first line that is bad, and the row.
    """
    digest, number, last = hashlib.sha256(), 0, b""
    try:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                raise Refused("the line is cut off")
            if last.startswith(b'{"end"'):
                raise Refused("something stands behind the end")
            if line.startswith(b'{"end"'):
                verification.read_end(line.decode(), digest.hexdigest())
            elif number == 1:
                verification.read_header(line.decode())
            else:
                verification.read_line(line[:-1].decode())
            digest.update(line)
            last = line
        if not last.startswith(b'{"end"'):
            raise Refused("the proof has no end: lines are missing")
    except Refused as refused:
        raise Refused(f"line {number}: {refused}") from refused
    except UNREADABLE as error:
        raise Refused(f"line {number}: not what was written ({type(error).__name__}: {error})") from error


def opened(path: str) -> gzip.GzipFile | IO[bytes]:
    """Open a proof, packed or not."""
    return gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")


def main(arguments: list[str] | None = None) -> int:
    """Verify the proof that the command line names."""
    parser = argparse.ArgumentParser(description="Verify a proof of the books.")
    parser.add_argument("proof", help="the file that export_proof wrote")
    parser.add_argument("--key", help='a file with {"key id": "key"}: check MACs and signatures')
    parser.add_argument("--head", help="a file with lines that the house noted outside its database")
    given = parser.parse_args(arguments)
    try:
        keys: dict[str, str] = {}
        heads: list[dict[str, Any]] = []
        if given.key:
            with open(given.key, encoding="utf-8") as file:
                keys = json.load(file)
        if given.head:
            with open(given.head, encoding="utf-8") as file:
                heads = [json.loads(line) for line in file if line.strip()]
        found = Verification(keys, heads)
        with opened(given.proof) as file_of_proof:
            verify(iter(file_of_proof), found)
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
