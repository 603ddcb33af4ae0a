"""One document out of several pieces of evidence: Adyen takes one of each type, as PDF or JPEG. Pure.

Texts and pictures become pages of their own; a merchant's PDF goes in as it is. What cannot be read or
written is refused here, before Adyen is asked anything.
"""

import io
import textwrap
from collections.abc import Sequence
from typing import Final

from pypdf import PdfReader, PdfWriter
from pypdf.errors import PyPdfError

from ledger.errors import Invalid
from payments.providers.requests import EvidenceItem

PDF: Final = "application/pdf"
JPEG: Final = "image/jpeg"
PAGE: Final = (595, 842)
"""A4 in points."""
MARGIN: Final = 56
LINE_POINTS: Final = 14
LINES_A_PAGE: Final = 50
LINE_CHARACTERS: Final = 95
SPACES: Final = {1: "/DeviceGray", 3: "/DeviceRGB", 4: "/DeviceCMYK"}
# Start-of-frame markers: the others of this range are tables, and no frames.
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# What a reader of foreign PDF files meets in broken ones, beside its own errors.
BROKEN: Final = (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


class NotWritten(Invalid):
    """A piece of evidence cannot be made part of a document that Adyen takes."""

    code = "evidence_not_taken"
    advice = "Put what is to be shown into one PDF file."


def composed(items: Sequence[EvidenceItem]) -> tuple[str, bytes]:
    """Return the media type and the content of one document with all the pieces, in their order.

    :raises NotWritten: a file is neither PDF nor JPEG or is broken, or a text has letters that no page shows.
    """
    if len(items) == 1 and items[0].media_type in (PDF, JPEG):
        return items[0].media_type, items[0].content
    writer = PdfWriter()
    for item in items:
        try:
            writer.append(PdfReader(io.BytesIO(_pages(item))), import_outline=False)
        except BROKEN as error:
            raise NotWritten(f"{item.filename or item.kind} cannot be read") from error
    out = io.BytesIO()
    writer.write(out)
    return PDF, out.getvalue()


def _pages(item: EvidenceItem) -> bytes:
    """Return a PDF file of one piece."""
    if not item.content:
        return _text_pages(item.text)
    if item.media_type == PDF:
        return item.content
    if item.media_type == JPEG:
        return _picture_page(item.content)
    raise NotWritten(f"Adyen takes PDF and JPEG files, and {item.filename} is {item.media_type}")


def _text_pages(text: str) -> bytes:
    lines = [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, LINE_CHARACTERS, drop_whitespace=True) or [""]
    ]
    streams = []
    for first in range(0, max(len(lines), 1), LINES_A_PAGE):
        shown = b"\n".join(b"(" + _escaped(line) + b") '" for line in lines[first : first + LINES_A_PAGE])
        start = f"BT /F1 10 Tf {LINE_POINTS} TL {MARGIN} {PAGE[1] - MARGIN} Td\n".encode()
        streams.append(start + shown + b"\nET")
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
    return _file(streams, b"/Font<</F1 3 0 R>>", [font])


def _escaped(line: str) -> bytes:
    try:
        raw = line.encode("cp1252")
    except UnicodeEncodeError as error:
        raise NotWritten(f"{line[error.start]!r} cannot be written into a page") from error
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _picture_page(content: bytes) -> bytes:
    width, height, components = _frame(content)
    scale = min((PAGE[0] - 2 * MARGIN) / width, (PAGE[1] - 2 * MARGIN) / height)
    across, down = round(width * scale), round(height * scale)
    stream = f"{across} 0 0 {down} {MARGIN} {PAGE[1] - MARGIN - down} cm /I1 Do".encode()
    head = (
        f"<</Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace{SPACES[components]}"
        f"/BitsPerComponent 8/Filter/DCTDecode/Length {len(content)}>>"
    )
    picture = head.encode() + b"stream\n" + content + b"\nendstream"
    return _file([stream], b"/XObject<</I1 3 0 R>>", [picture])


def _frame(content: bytes) -> tuple[int, int, int]:
    """Return width, height and components of a JPEG picture, by its start of frame.

    :raises ValueError: there is none. :raises IndexError: it ends before.
    """
    at = 2
    while content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker in FRAMES:
            height = int.from_bytes(content[at + 5 : at + 7], "big")
            width = int.from_bytes(content[at + 7 : at + 9], "big")
            if not width or not height or content[at + 9] not in SPACES:
                break
            return width, height, content[at + 9]
        at += 2 + max(length, 2)
    raise ValueError("no picture")


def _file(streams: Sequence[bytes], resources: bytes, shared: Sequence[bytes]) -> bytes:
    """Write a PDF file: catalogue, tree, what its pages share, then each page with its stream."""
    first = 3 + len(shared)
    kids = b" ".join(f"{first + 2 * number} 0 R".encode() for number in range(len(streams)))
    count = str(len(streams)).encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[" + kids + b"]/Count " + count + b">>",
        *shared,
    ]
    for number, stream in enumerate(streams):
        box, content = f"[0 0 {PAGE[0]} {PAGE[1]}]", first + 2 * number + 1
        page = f"<</Type/Page/Parent 2 0 R/MediaBox{box}/Contents {content} 0 R"
        objects.append(page.encode() + b"/Resources<<" + resources + b">>>>")
        objects.append(f"<</Length {len(stream)}>>stream\n".encode() + stream + b"\nendstream")
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    out += f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(out)
