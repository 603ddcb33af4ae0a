"""Documents for Adyen made of our evidence, and which of Adyen's reasons it fits."""

import base64
import io

import pytest
from pypdf import PdfReader

from payments.providers.adyen import defending, documents
from payments.providers.adyen.documents import NotWritten
from payments.providers.requests import EvidenceItem
from tests.kit.adyen import PDF_FILE

GENERAL = {"TIDorInvoice": "Optional", "DefenseMaterial": "Required"}
GOODS = {"GoodsWereAsDescribed": "Required", "TIDorInvoice": "Required"}
# One grey dot, 8 wide and 4 high: enough of a JPEG for its frame to be read.
JPEG = bytes.fromhex("ffd8ffe000044a46ffc0000b080004000801011100ffd9")


def text(kind: str, words: str = "words") -> EvidenceItem:
    return EvidenceItem(kind, words)


def file(kind: str, media_type: str = documents.PDF, content: bytes = PDF_FILE) -> EvidenceItem:
    return EvidenceItem(kind, filename="a.pdf", media_type=media_type, content=content)


class TestADocument:
    def test_of_one_file_is_the_file(self):
        assert documents.composed([file("receipt")]) == (documents.PDF, PDF_FILE)
        assert documents.composed([file("receipt", "image/jpeg", JPEG)]) == ("image/jpeg", JPEG)

    def test_of_several_pieces_has_all_their_pages_in_order(self):
        long = "\n".join(f"line {number} (of \\ many) é" for number in range(60))
        pieces = [text("explanation", long), file("other"), file("receipt", "image/jpeg", JPEG)]
        media_type, content = documents.composed(pieces)
        pages = PdfReader(io.BytesIO(content), strict=True).pages
        assert media_type == documents.PDF
        assert [float(page.mediabox.width) for page in pages] == [595, 595, 200, 595]
        assert "line 0 (of \\ many) é" in pages[0].extract_text()
        assert "line 59" in pages[1].extract_text()
        picture = pages[3]["/Resources"]["/XObject"]["/I1"]
        assert (picture["/Width"], picture["/Height"], picture["/ColorSpace"]) == (8, 4, "/DeviceGray")
        assert picture.get_data() == JPEG or picture._data == JPEG

    @pytest.mark.parametrize(
        "piece",
        [
            file("other", "image/png", b"\x89PNG\r\n\x1a\n"),
            file("other", content=b"%PDF-1.4 and no more"),
            file("other", "image/jpeg", b"\xff\xd8\xff\xe0\x00"),
            text("other", "Zażółć"),
        ],
        ids=["png", "broken pdf", "broken jpeg", "letters that no page shows"],
    )
    def test_is_refused_where_a_piece_cannot_be_part_of_it(self, piece):
        with pytest.raises(NotWritten):
            documents.composed([text("explanation"), piece])


class TestAReason:
    def test_is_the_first_whose_documents_the_evidence_makes(self):
        reasons = {"GoodsWereAsDescribed": GOODS, "SupplyDefenseMaterial": GENERAL}
        goods = [file("product_description"), text("receipt")]
        assert defending.chosen(reasons, goods).reason == "GoodsWereAsDescribed"
        found = defending.chosen(reasons, [*goods, text("explanation")])
        assert found.reason == "SupplyDefenseMaterial"
        assert [item.kind for item in found.documents["DefenseMaterial"]] == [
            "product_description", "explanation",
        ]  # fmt: skip
        assert [item.kind for item in found.documents["TIDorInvoice"]] == ["receipt"]

    def test_needs_what_is_required_or_one_of_several(self):
        assert defending.chosen({"SupplyDefenseMaterial": GENERAL}, [text("receipt")]) is None
        one_of = {"R": {"TIDorInvoice": "OneOrMore", "Other": "OneOrMore"}}
        assert defending.chosen(one_of, [text("receipt")]).reason == "R"
        assert defending.chosen(one_of, [text("explanation")]) is None

    def test_may_take_general_material_under_another_name(self):
        found = defending.chosen({"R": {"Anything": "AlternativeRequired"}}, [text("explanation")])
        assert set(found.documents) == {"Anything"}

    def test_is_read_only_where_it_is_shaped_like_one(self):
        rows = [{"defenseReasonCode": 1}, "x", {"defenseReasonCode": "R", "defenseDocumentTypes": [{}, 2]}]
        assert defending.reasons({"defenseReasons": rows}) == {"R": {}}
        assert defending.reasons({"defenseReasons": "none"}) == {}


def test_a_document_is_sent_as_base64():
    made = defending.document("DefenseMaterial", [file("other")])
    assert base64.b64decode(made["content"]) == PDF_FILE
    assert (made["defenseDocumentTypeCode"], made["contentType"]) == ("DefenseMaterial", documents.PDF)
