"""If-Match as RFC 9110 writes it: which headers are lists of tags, and which version each of them means."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendors.api import preconditions
from vendors.api.preconditions import Malformed, VersionStale, etag

ROW = SimpleNamespace(public_id="pm_1", version=7)
TAG = '"pm_1.7"'


def tag_of(row: Any) -> str:
    return etag(row.public_id, row.version, "")


def is_met(header: str) -> bool:
    told = preconditions.read(SimpleNamespace(META={"HTTP_IF_MATCH": header}))  # type: ignore[arg-type]
    try:
        preconditions.condition(told, tag_of)(ROW)
    except VersionStale:
        return False
    return True


def test_a_tag_names_the_object_its_version_and_what_else_changes():
    assert (tag_of(ROW), etag("pm_1", 7, "expired")) == (TAG, '"pm_1.7.expired"')


def test_without_the_header_nothing_is_asked():
    assert preconditions.read(SimpleNamespace(META={})) == ""  # type: ignore[arg-type]
    preconditions.condition("", tag_of)(SimpleNamespace())


@pytest.mark.parametrize(
    "header",
    ["*", " * ", TAG, f"  {TAG}\t", f'"x", {TAG}', f'{TAG},"x"', f', ,{TAG},, "x" ,', f'W/{TAG}, {TAG}',
     f'"a,b" , {TAG}'],
)  # fmt: skip
def test_a_version_that_is_named_is_met(header):
    assert is_met(header)


@pytest.mark.parametrize(
    "header", ['"pm_1.6"', '"pm_2.7"', '""', f"W/{TAG}", f'W/{TAG}, "x"', '"*"', '"\xe9"', f'"x,{TAG[1:]}']
)
def test_another_version_and_a_weak_tag_are_not(header):
    assert not is_met(header)


@pytest.mark.parametrize(
    "header",
    ["", " ", ",", "pm_1.7", "7", '"pm_1.7', 'pm_1.7"', f"w/{TAG}", f"W/ {TAG}", f"*, {TAG}", f"{TAG}, *",
     "**", f"{TAG} {TAG}", f"{TAG};", '"a b"', '"a\tb"', '"\x7f"', "'x'", '"a"b"'],
)  # fmt: skip
def test_what_is_no_list_of_tags_is_malformed(header):
    with pytest.raises(Malformed) as refused:
        is_met(header)
    assert (refused.value.get_codes(), refused.value.param) == ("if_match_malformed", "If-Match")


@given(st.text(st.sampled_from(' \t,"W/*a\x7f\xff'), max_size=60))
def test_any_text_is_met_or_stale_or_malformed(header):
    try:
        is_met(header)
    except Malformed:
        return


def test_a_long_list_is_read_in_no_time():
    assert not is_met('"a"' + ", " * 30_000)
    with pytest.raises(Malformed):
        is_met('"a"' + ", " * 30_000 + "x")
