"""Hold an answer against the API document: nothing that is promised may lack, nothing unnamed may come."""

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
AT = re.compile(r"(_at|^at|_date)$")


def unlike(document: dict[str, Any], method: str, path: str, status: int, body: Any) -> list[str]:
    """Return in which ways an answer is not as its operation is described; the document is made `whole`."""
    answers = document["paths"][path][method.lower()]["responses"]
    if str(status) not in answers:
        return [f"{status} is not described; described are {', '.join(answers)}"]
    (content,) = answers[str(status)]["content"].values()
    schema = {**content["schema"], "components": document["components"]}
    if status >= 400:
        codes = {example["value"]["code"] for example in content["examples"].values()}
        return [] if body["code"] in codes else [f"{status} {body['code']} is not described"]
    found = [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)
    ]
    return found + [f"{where} is {text!r}" for where, text in _moments(body) if not MOMENT.fullmatch(text)]


def whole(schema: Any) -> Any:
    """Return a schema in which every object has all its properties and no others."""
    if isinstance(schema, list):
        return [whole(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: whole(part) for name, part in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made |= {"required": [*made["properties"]], "additionalProperties": False}
    return made


def _moments(value: Any, where: str = "$", name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _moments(part, f"{where}.{key}", key)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _moments(part, f"{where}[{index}]", name)
    elif isinstance(value, str) and AT.search(name):
        yield where, value
