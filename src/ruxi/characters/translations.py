"""One card in several languages.

A card says its own language in `extensions.ruxi.language` and keeps its texts in other languages in
`extensions.ruxi.translations`, by BCP 47 code, each with the fields that differ:

    "extensions": {"ruxi": {"language": "en", "translations": {"zh": {"name": "…", "description": "…"}}}}

Changing the language exchanges the texts with those of the card, so nothing is lost and the way back is the
same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruxi.characters.faults import CardFaults, Finding, kind_of

UNDETERMINED = "und"
_PATH = "extensions.ruxi"


def own_language(extensions: Mapping[str, Any]) -> str | None:
    """The language that a card says it is in."""
    language = _ours(extensions).get("language")
    return language if isinstance(language, str) else None


def translations(extensions: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The texts in other languages, by code.

    Raises:
        CardFaults: They are not objects by language code.
    """
    found = _ours(extensions).get("translations", {})
    if not isinstance(found, dict):
        raise _faults(f"{_PATH}.translations", found)
    for code, fields in found.items():
        if not isinstance(fields, dict):
            raise _faults(f"{_PATH}.translations.{code}", fields)
    return found


def best_match(wanted: str, languages: list[str]) -> str | None:
    """The language that fits best: the same one, a more general one (RFC 4647, lookup), or another form of it."""
    by_key = {language.lower().replace("_", "-"): language for language in reversed(languages)}
    key = wanted.lower().replace("_", "-")
    general = key
    while general:
        if general in by_key:
            return by_key[general]
        general = general.rpartition("-")[0]
    primary = key.split("-")[0]
    return next(
        (language for language in languages if language.lower().replace("_", "-").split("-")[0] == primary),
        None,
    )


def translated(data: Mapping[str, Any], code: str) -> dict[str, Any]:
    """A card's data with the texts of one of its translations.

    Args:
        data: The fields of the card.
        code: One of the keys of `translations`.

    Returns:
        New data in that language, which keeps the texts that it had as the translation into the former
        language.
    """
    others = dict(translations(data["extensions"]))
    texts = {key: value for key, value in others.pop(code).items() if key != "extensions"}
    former = own_language(data["extensions"]) or UNDETERMINED
    others[former] = {key: data.get(key) for key in texts}
    ours = {**_ours(data["extensions"]), "language": code, "translations": others}
    merged = {**data, **texts, "extensions": {**data["extensions"], "ruxi": ours}}
    return {key: value for key, value in merged.items() if value is not None}


def _ours(extensions: Mapping[str, Any]) -> Mapping[str, Any]:
    ours = extensions.get("ruxi", {})
    if not isinstance(ours, dict):
        raise _faults(_PATH, ours)
    return ours


def _faults(field: str, value: Any) -> CardFaults:
    return CardFaults([Finding(field, f"is {kind_of(value)}, not an object", "Make it an object.")])
