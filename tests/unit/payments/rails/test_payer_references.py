"""The reference that a payer quotes: made from the key, found in whatever he writes around it."""

import pytest

from ledger.ids import show, uuid7
from payments.providers.rails import names


@pytest.mark.parametrize(
    "written", ["{0}", "Order 7 {0}, thanks", "{1}", "ref:{0}.", "{2}", "EC {0} is what it says"]
)
def test_a_reference_is_found_in_a_text(written):
    reference = names.payer_reference(show("op", uuid7()))
    assert len(reference) == 14
    spaced = f"{reference[:2]} {reference[2:6]} {reference[6:10]}-{reference[10:]}"
    assert names.quoted(written.format(reference, spaced, reference.lower())) == reference


@pytest.mark.parametrize("text", ["", "EC", "ECONOMY CLASS TICKETS", "EC1234", "XEC012345678901"])
def test_other_texts_quote_nothing(text):
    assert names.quoted(text) == ""


def test_an_arrived_reference_is_known_as_one():
    reference = names.payer_reference(show("op", uuid7()))
    assert names.has_arrived(names.arrived(reference))
    assert not names.has_arrived(reference)
