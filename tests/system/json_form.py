# SPDX-License-Identifier: MIT
"""What tcpdctl --json prints is as docs/tcpdctl.schema.json says, and has no member that it does not
know; later versions may add some."""

import json
from pathlib import Path

import jsonschema

FORM = json.loads((Path(__file__).parents[2] / "docs/tcpdctl.schema.json").read_text())


def close(form):
    """Of the same form, whose objects have no other members."""
    if isinstance(form, list):
        return [close(part) for part in form]
    if not isinstance(form, dict):
        return form
    closed = {key: close(value) for key, value in form.items()}
    return closed if "properties" not in form or form.get("type") != "object" else \
        closed | {"additionalProperties": False}


CLOSED = close(FORM)
jsonschema.Draft202012Validator.check_schema(FORM)


def checked(name, text):
    """The answer of this name below $defs, read."""
    answer = json.loads(text)
    jsonschema.Draft202012Validator(CLOSED | {"$ref": f"#/$defs/{name}"}).validate(answer)
    return answer
