"""The checks of a profile, from what is written in it to what can be carried out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from promptlab import check
from promptlab.check import Check
from promptlab.errors import ProfileError, UsageError
from promptlab.profile import OWN_SCHEMA, Profile

_BLANK = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def checks_of(
    profile: Profile, variables: Mapping[str, str] | None = None, *, anywhere: bool = False
) -> tuple[Check, ...]:
    """The checks of a profile with `{{name}}` of its variables filled in: by `variables`, else by their defaults; not
    in a schema, and not in a program.

    A profile is a text that strangers share: a schema's file is read below the profile's folder and, unless the user
    says `anywhere`, nowhere else; a program is named here, and started by nobody who has not been told to. Raises
    ProfileError."""
    values = {name: one.default or "" for name, one in profile.variables.items()} | dict(variables or {})
    found = []
    for text in profile.checks:
        try:
            found.append(_check(profile, text, values, anywhere=anywhere))
        except UsageError as error:
            raise ProfileError(f"{profile.path}: checks: {error.message}", error.hint) from None
    return tuple(found)


def _check(profile: Profile, text: str, values: Mapping[str, str], *, anywhere: bool) -> Check:
    home = profile.path.parent.resolve()
    if text == OWN_SCHEMA:
        if profile.schema is None:
            raise UsageError("'schema' alone is the profile's format, which is no JSON Schema", "schema:FILE")
        return check.parse(f"schema:{json.dumps(profile.schema)}")
    if name := check.file_of(text):
        path = (home / name).resolve()
        if not anywhere and not any(path.is_relative_to(own) for own in (home, *profile.homes)):
            raise UsageError(f"{name} is outside the profile's folder", "--allow-files lets it")
        return replace(check.parse(f"schema:{path}"), name=f"schema:{path.name}")
    if text.startswith(("schema:", "run:")):
        return check.parse(text, home)
    return check.parse(_BLANK.sub(lambda blank: values.get(blank[1], blank[0]), text), home)
