"""A proof in a file: a verifier of one file, without database and house, refuses any change of it."""

import gzip
import hashlib
import json
import random
import shutil
import subprocess
import uuid
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Max

from ledger import ids
from ledger.models import SealBlock
from ledger.proof import exporting, verify_proof
from tests.kit import seals
from tests.kit.seals import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)
PYTHON = shutil.which("python3") or "python3"


def verified(path, *arguments) -> subprocess.CompletedProcess:
    """Run the verifier that lies beside the proof, with nothing of this house in reach."""
    command = [PYTHON, "-I", path.with_name("verify_proof.py").name, path.name, *map(str, arguments)]
    return subprocess.run(command, cwd=path.parent, env={}, capture_output=True, text=True, check=False)


def refusal(lines: list[bytes], keys=None, heads=None) -> str:
    """Return what the verifier says of these lines, in this process; nothing when it takes them."""
    try:
        verify_proof.verify(iter(lines), verify_proof.Verification(keys or {}, heads or []))
    except verify_proof.Refused as refused:
        return str(refused)
    return ""


def with_new_end(lines: list[bytes]) -> list[bytes]:
    """Return the lines as a careful forger writes them: the end tells of what stands before it."""
    end = json.loads(lines[-1])
    end["end"]["sha256"] = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    return [*lines[:-1], json.dumps(end, separators=(",", ":")).encode() + b"\n"]


AMOUNT = ((1999).to_bytes(8, "big").hex().encode(), (1998).to_bytes(8, "big").hex().encode())


def line_of(entry: uuid.UUID, lines: list[bytes]) -> int:
    """Return the number of the line on which an entry's image stands: its word, then its id."""
    begins = b"entry".hex() + "00000b86" + "00000010" + entry.hex
    return next(number for number, line in enumerate(lines) if begins.encode() in line[69:200])


@pytest.fixture
def proof(books, tmp_path):
    """A proof of all there is."""
    path = tmp_path / "proof" / "books.jsonl.gz"
    call_command("export_proof", path, verbosity=0)
    return path


@pytest.fixture
def keys(tmp_path, settings):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(settings.EVENT_SIGNING_KEYS))
    return path


class TestWholeBooks:
    def test_the_verifier_takes_them_alone_with_keys_and_heads(self, proof, keys, head):
        ended = verified(proof, "--key", keys, "--head", head)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("holds: ")
        assert "MACs and signatures are right" in ended.stdout
        assert "is the one noted outside" in ended.stdout
        assert verified(proof).returncode == 0

    def test_a_wrong_key_a_foreign_head_and_a_missing_file_are_told_apart(self, proof, keys, head):
        keys.write_text('{"dev1": "another"}')
        wrong = verified(proof, "--key", keys)
        assert (wrong.returncode, "was not sealed with the key 'dev1'" in wrong.stdout) == (1, True)
        keys.write_text('{"k9": "another"}')
        assert "the key 'dev1' was not given" in verified(proof, "--key", keys).stdout
        line = json.loads(head.read_text().splitlines()[-1])
        head.write_text(json.dumps({**line, "hash": "00"}) + "\n")
        foreign = verified(proof, "--head", head)
        assert (foreign.returncode, "whose head was kept" in foreign.stdout) == (1, True)
        assert verified(proof, "--key", "nowhere").returncode == 2

    def test_the_same_blocks_give_the_same_bytes(self, proof, tmp_path):
        again = tmp_path / "again.jsonl.gz"
        call_command("export_proof", again, verbosity=0)
        assert again.read_bytes() == proof.read_bytes()

    def test_a_row_that_was_changed_is_not_exported(self, books, tmp_path):
        change = "UPDATE ledger_posting SET amount = amount + 1 WHERE entry_id = %s"
        with seals.tampered(change, books.entries[0]), pytest.raises(exporting.NotAsSealed):
            exporting.export(tmp_path / "proof.jsonl", 1, 10**9)

    def test_rows_of_an_archive_are_left_out_and_counted(self, books, tmp_path, keys, head):
        with seals.tampered("DELETE FROM ledger_audit WHERE id = %s", books.act):
            path = tmp_path / "proof.jsonl"
            with pytest.raises(exporting.NotAsSealed):
                exporting.export(path, 1, 10**9)
            begins, ends = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
            seals.say_archived(2_000_000, "ledger_audit", begins, ends)
            assert exporting.export(path, 1, 10**9).archived == 1
        ended = verified(path, "--key", keys, "--head", head)
        assert ended.returncode == 0, ended.stdout
        assert "1 archived" in ended.stdout

    def test_days_without_seals_are_named(self, books, tmp_path):
        with pytest.raises(CommandError, match="no block was sealed"):
            call_command("export_proof", tmp_path / "x", "--to", "2001-01-01")


class TestChanges:
    def test_any_byte_of_any_row_changed_is_refused(self, books, tmp_path):
        # Of a block with these rows alone: what other tests left would be read again for each change.
        last = SealBlock.objects.aggregate(last=Max("number"))["last"]
        seals.write(books.merchant)
        seals.seal_everything()
        exporting.export(tmp_path / "proof.jsonl", last + 1, 10**9)
        lines = (tmp_path / "proof.jsonl").read_bytes().splitlines(keepends=True)
        assert not refusal(lines)
        dice = random.Random(2026)
        numbers = [number for number, line in enumerate(lines) if line.startswith(b"[")]
        taken = []
        for number in dice.sample(numbers, min(10, len(numbers))):
            for at in dice.sample(range(len(lines[number]) - 1), 20):
                row = bytearray(lines[number])
                row[at] ^= 1 << dice.randrange(8)
                changed = [*lines[:number], bytes(row), *lines[number + 1 :]]
                for forged in (changed, with_new_end(changed)):
                    said = refusal(forged)
                    if f"line {number + 1}:" not in said and not (row[at] == 10 and said):
                        taken.append((number + 1, at, said))
        assert not taken

    def test_the_row_is_named(self, proof, books):
        lines = gzip.decompress(proof.read_bytes()).splitlines(keepends=True)
        number = line_of(books.entries[0], lines)
        lines[number] = lines[number].replace(*AMOUNT)
        proof.write_bytes(gzip.compress(b"".join(with_new_end(lines))))
        ended = verified(proof)
        assert ended.returncode == 1
        named = f"line {number + 1}: entry {books.entries[0]} is not as it was sealed"
        assert ended.stdout == f"REFUSED {named}\n"

    def test_a_row_forged_with_its_leaf_is_refused_by_its_content_hash_and_by_the_root(self, proof, books):
        lines = gzip.decompress(proof.read_bytes()).splitlines(keepends=True)
        number = line_of(books.entries[0], lines)
        image = lines[number][69:-3]
        for was, now, said in (
            (*AMOUNT, "does not balance"),
            (b"sale".hex().encode(), b"gift".hex().encode(), "does not have the content that was hashed"),
            (b"00000b86", b"00000b87", "not what was written"),
        ):
            forged = image.replace(was, now)
            leaf = hashlib.sha256(bytes.fromhex(forged.decode())).hexdigest().encode()
            row = b'["' + leaf + b'","' + forged + b'"]\n'
            assert said in refusal(with_new_end([*lines[:number], row, *lines[number + 1 :]]))

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda lines: [*lines[:2], *lines[3:]], "are not the"),
            (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "are not the"),
            (lambda lines: [*lines[:3], lines[2], *lines[3:]], "are not the"),
            (lambda lines: lines[:-1], "the proof has no end"),
            (lambda lines: [*lines, lines[-1]], "something stands behind the end"),
        ],
        ids=["a row left out", "two rows exchanged", "a row twice", "cut off", "continued"],
    )
    def test_rows_left_out_exchanged_or_doubled(self, proof, change, said):
        lines = gzip.decompress(proof.read_bytes()).splitlines(keepends=True)
        changed = change(lines)
        assert said in refusal(with_new_end(changed) if said == "are not the" else changed)

    def test_any_figure_of_a_block_changed_is_refused(self, proof):
        lines = gzip.decompress(proof.read_bytes()).splitlines(keepends=True)
        block = json.loads(lines[1])["block"]
        for name, value in block.items():
            if name == "mac":
                continue  # known by the key alone: below
            other = value + 1 if isinstance(value, int) else ("0" if value[:1] != "0" else "1") + value[1:]
            forged = json.dumps({"block": {**block, name: other}}).encode() + b"\n"
            assert refusal(with_new_end([lines[0], forged, *lines[2:]])), name
        forged = json.dumps({"block": {**block, "mac": "00"}}).encode() + b"\n"
        assert refusal(with_new_end([lines[0], forged, *lines[2:]]), keys={"dev1": "x"})


class TestOneMerchant:
    @pytest.fixture
    def extract(self, books, tmp_path):
        """Another merchant's books stand in the same blocks."""
        seals.unseal()
        other = seals.write(uuid.uuid4())
        with seals.resealed():
            pass
        path = tmp_path / "one.jsonl.gz"
        call_command("export_proof", path, merchant=ids.show("mer", books.merchant), verbosity=0)
        return path, other

    def test_its_rows_are_proven_and_nobody_elses_are_told(self, extract, books, keys, head):
        path, other = extract
        ended = verified(path, "--key", keys, "--head", head)
        assert ended.returncode == 0, ended.stdout
        assert "4 entries, 12 postings, 4 events, 0 audits, 0 archived" in ended.stdout
        text = gzip.decompress(path.read_bytes()).decode()
        assert text.count(str(books.merchant)) > 0
        for secret in (other.merchant, *other.entries, books.act, "Finn"):  # nor who of the house acted
            assert str(secret) not in text

    def test_a_row_that_is_not_shown_is_missed(self, extract):
        path, _ = extract
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        number = next(n for n, line in enumerate(lines) if line.startswith(b"["))
        end = json.loads(lines[-1])
        end["end"] |= {"entries": 3, "postings": 9}
        forged = [*lines[:number], *lines[number + 1 : -1], json.dumps(end).encode() + b"\n"]
        assert refusal(with_new_end(forged))

    def test_rows_of_another_merchant_are_refused(self, extract, proof_of_all):
        path, other = extract
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        header = json.loads(lines[0])
        header["merchant"] = str(other.merchant)
        forged = [json.dumps(header).encode() + b"\n", *lines[1:]]
        assert "is of another merchant" in refusal(with_new_end(forged))

    @pytest.fixture
    def proof_of_all(self, extract, tmp_path):
        path = tmp_path / "all.jsonl.gz"
        call_command("export_proof", path, verbosity=0)
        return path


def test_the_verifier_imports_nothing_but_the_standard_library():
    source = exporting.VERIFIER.read_text()
    imported = {
        line.split()[1].partition(".")[0]
        for line in source.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= {
        "argparse", "gzip", "hashlib", "hmac", "json", "sys", "zlib", "collections", "datetime", "typing",
        "uuid", "functools", "pathlib",
    }  # fmt: skip
