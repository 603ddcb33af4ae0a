"""Versions at the desk: the entity tag of what is shown, and `If-Match` where it is changed (RFC 9110).

1. A tag is strong (section 8.8.1): made of the object's id and version, and of what else is shown of it that
   changes without one. `tagged` says it with an answer, also with one that is kept and replayed.
2. `If-Match` (13.1.1) names the versions that the sender has seen. It is read before anything is claimed, and
   judged by the service, of the row that it has just locked: of two who saw the same version one changes it,
   the other is told that it is stale, and nothing of his is written. `*` is any version; a weak tag is none.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from ledger.errors import Stale
from ledger.recording import Condition, unconditional
from vendors.api.idempotency import Render, Reply

HEADER: Final = "If-Match"
ETAG: Final = "ETag"
ANY: Final = "*"
_TAG: Final = r'(?:W/)?"[!#-~\x80-\xff]*"'
_TAGS: Final = re.compile(_TAG)
# A list may have empty places, which mean nothing (5.6.1.2); one without any tag is no list of tags.
_LIST: Final = re.compile(rf"(?:,[ \t]*)*{_TAG}(?:[ \t]*,(?:[ \t]*{_TAG})?)*")
PATTERN: Final = r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$'  # for the API document: without the odd forms

TagOf = Callable[[Any], str]


class VersionStale(Stale):
    """The object was changed since the version that If-Match names; nothing was done."""

    code = "version_stale"
    advice = (
        "Get the object anew, see what has changed, and send the ETag of that answer as If-Match; with a "
        "fresh Idempotency-Key, if you use one."
    )


class Malformed(ParseError):
    """If-Match is neither * nor a list of entity tags."""

    default_code = "if_match_malformed"
    default_detail = f'{HEADER} is * or a list of tags such as "abc"'
    param = HEADER


def etag(*parts: object) -> str:
    """Return a strong entity tag made of parts that have no quotes; empty ones are left out."""
    return f'"{".".join(str(part) for part in parts if part != "")}"'


def tagged(render: Callable[[Any], dict[str, Any]], tag_of: TagOf, status: int = 200) -> Render:
    """Return a rendering that says the object's tag besides."""
    return lambda row: Reply(render(row), status, {ETAG: tag_of(row)})


def read(request: Request) -> str:
    """Return what a request says in If-Match; nothing when it has none.

    :raises Malformed: it is neither * nor a list of tags.
    """
    told: str | None = request.META.get("HTTP_IF_MATCH")
    if told is None:
        return ""
    told = told.strip(" \t")
    if told != ANY and not _LIST.fullmatch(told):
        raise Malformed
    return told


def condition(told: str, tag_of: TagOf) -> Condition:
    """Return what a service asks of the row that it has locked, before it changes it.

    What is returned raises `VersionStale` for a row of another version.
    """
    if told in ("", ANY):  # that there is such a row is known by then
        return unconditional
    tags = frozenset(_TAGS.findall(told))

    def judge(row: Any) -> None:
        if tag_of(row) not in tags:  # ours are strong, so a weak one is none of them
            raise VersionStale("the object was changed since the version that If-Match names", param=HEADER)

    return judge
