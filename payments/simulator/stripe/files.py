"""Uploads (multipart) that evidence names: of a file its size, type and digest are kept, not its content."""

import hashlib
import re

from payments.simulator.stripe import forms
from payments.simulator.stripe.desk import Desk, Done
from payments.simulator.stripe.errors import StripeRefused
from payments.simulator.stripe.forms import Params

PURPOSE = "dispute_evidence"
TYPES = {"pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff"}
BYTES_MAX = 5_000_000
_NAME = re.compile(rb'name="([^"]*)"(?:; filename="([^"]*)")?')


def params_of(raw: bytes) -> Params:
    """The parts of an upload as parameters; the file by its name, size, type and digest.

    :raises StripeRefused: not shaped like one.
    """
    boundary, _, _ = raw.partition(b"\r\n")
    found: Params = {}
    for part in raw.split(boundary)[1:-1] if boundary.startswith(b"--") else []:
        head, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name is None:
            raise StripeRefused(400, "", "The upload could not be read")
        content = content.removesuffix(b"\r\n")
        if name[2] is None:
            found[name[1].decode("utf-8", "replace")] = content.decode("utf-8", "replace")
            continue
        kind = next((kind for kind, magic in TYPES.items() if content.startswith(magic)), "")
        found |= {
            "file": name[2].decode("utf-8", "replace"),
            "size": str(len(content)),
            "type": kind,
            "digest": hashlib.sha256(content).hexdigest(),
        }
    return found


def create(desk: Desk, params: Params) -> Done:
    """POST /v1/files."""
    if forms.text(params, "purpose") != PURPOSE:
        raise StripeRefused(400, "", f"The sandbox takes files with purpose {PURPOSE}", param="purpose")
    name = forms.text(params, "file")
    if not params["type"] or int(params["size"]) > BYTES_MAX:
        raise StripeRefused(400, "", "Evidence is a PDF, PNG or JPEG of at most 5 MB", param="file")
    body = {"filename": name, "purpose": PURPOSE, "size": int(params["size"]), "type": params["type"],
            "title": None, "url": None}  # fmt: skip
    return Done(200, desk.make("file", "file", "", body, digest=params["digest"]).body)
