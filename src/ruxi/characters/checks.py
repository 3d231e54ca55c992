"""What is weak in a card that loads, and what a format cannot hold.

`check` collects the faults that keep a card from loading and the weaknesses that would disappoint whoever plays with
it. `losses` says what is no longer understood once a card is written in another form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ruxi.characters import formats, library, translations
from ruxi.characters.card import Character
from ruxi.characters.faults import CardFaults, Finding, findings_of, shortened
from ruxi.characters.formats import Source, Spec
from ruxi.characters.lorebook import LorebookEntry
from ruxi.characters.macros import unknown_macros

_REQUIRED_V2 = (
    *formats.V1_FIELDS,
    "creator_notes",
    "system_prompt",
    "post_history_instructions",
    "alternate_greetings",
    "tags",
    "creator",
    "character_version",
    "extensions",
)
_REQUIRED_V3 = (*_REQUIRED_V2, "group_only_greetings")
_TEXTS = (*formats.V1_FIELDS, "system_prompt", "post_history_instructions")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_REGEX = re.compile(r"[\\^$.|?*+()\[\]{}]")
_POSITIONS = ("before_char", "after_char")
_ONLY_IN_V3 = {
    "nickname": "other programs will use `name`",
    "assets": "other programs will not show them",
    "creator_notes_multilingual": "other programs will show `creator_notes`",
    "source": "other programs will not show it",
    "group_only_greetings": "other programs will not offer them",
    "creation_date": "other programs will not show it",
    "modification_date": "other programs will not show it",
}


def check(card: str | Path) -> list[Finding]:
    """Everything that is wrong or weak in a card file, errors first.

    Args:
        card: Path of the file, or the name of a built-in character.

    Raises:
        CardError: There is no such file.
    """
    path = library.locate(card)
    try:
        data = library.read_file(path)
        source = formats.read(data)
        character = Character.parse(data)
    except CardFaults as faults:
        return list(faults.findings)
    return list(_warnings(character, source))


def losses(character: Character, spec: Spec, suffix: str) -> list[Finding]:
    """What programs will no longer find in a card once it is written.

    Args:
        character: The card to write.
        spec: Version to write.
        suffix: Ending of the file to write, `.json` or `.png`.
    """
    found = []
    if suffix == ".json" and character.portrait is not None:
        found.append(_lost("portrait", "JSON holds no picture", "Convert to .png to keep it."))
    if spec == "v2":
        found += [
            _lost(name, f"V2 has no such field; it is kept in the file, but {effect}", _KEEP_V3)
            for name, effect in _ONLY_IN_V3.items()
            if getattr(character, name)
        ]
        entries = character.character_book.entries if character.character_book else []
        found += [lost for index, entry in enumerate(entries) for lost in _entry_losses(index, entry)]
    return found


_KEEP_V3 = "Use `--to v3` for programs that read V3."


def _lost(field: str, problem: str, remedy: str) -> Finding:
    return Finding(field, problem, remedy, "warning")


def _entry_losses(index: int, entry: LorebookEntry) -> Iterator[Finding]:
    where = f"character_book.entries[{index}]"
    if entry.use_regex and any(_REGEX.search(key) for key in entry.keys):
        problem = "V2 has no regular expressions; other programs may take the keys as plain words"
        yield _lost(f"{where}.use_regex", problem, _KEEP_V3)
    if isinstance(entry.id, str):
        yield _lost(f"{where}.id", f"is {shortened(entry.id)}; V2 allows numbers only", _KEEP_V3)
    if re.search(r"^@@", entry.content, re.MULTILINE):
        problem = "has decorators (@@), which V2 programs will show to the model as text"
        yield _lost(f"{where}.content", problem, _KEEP_V3)


def _warnings(character: Character, source: Source) -> Iterator[Finding]:
    prefix = f"{source.envelope.prefix}." if source.envelope.prefix else ""
    yield from _envelope_warnings(source)
    yield from _persona_warnings(character, prefix)
    yield from _text_warnings(character, prefix)
    entries = character.character_book.entries if character.character_book else []
    for index, entry in enumerate(entries):
        yield from _entry_warnings(entry, f"{prefix}character_book.entries[{index}]")
    yield from _translation_warnings(character, prefix)


def _warn(field: str, problem: str, remedy: str) -> Finding:
    return Finding(field, problem, remedy, "warning")


def _envelope_warnings(source: Source) -> Iterator[Finding]:
    envelope = source.envelope
    if envelope.is_newer:
        problem = f"is {envelope.version}, newer than 3.0: what that version added is kept but not understood"
        yield _warn("spec_version", problem, "Update Ruxi if it behaves differently elsewhere.")
    if envelope.version >= 2:
        required = _REQUIRED_V3 if envelope.version >= 3 else _REQUIRED_V2
        missing = [name for name in required if name not in source.fields]
        if missing:
            problem = f"lacks fields that its version requires: {', '.join(missing)}"
            yield _warn("data", problem, "Write it anew with `ruxi card convert`, which adds them empty.")
    for name in formats.V1_FIELDS:
        if name in envelope.root:
            problem = "differs from the same field under `data`, which is the one in use"
            yield _warn(name, problem, f"Remove it, or copy it to `data.{name}` if it is the newer one.")
    if {"chara", "ccv3"} <= source.texts.keys():
        yield from _stale_chunk(source)


def _stale_chunk(source: Source) -> Iterator[Finding]:
    """A program that knows only V2 may have edited `chara` and left an older `ccv3` beside it."""
    remedy = "If an older program edited the card, its changes are not in use: export it there as JSON."
    try:
        other, _ = formats.unwrap(formats.parse(source.texts["chara"]))
    except CardFaults as faults:
        yield _warn("chunk 'chara'", f"cannot be read ({faults})", "Write the card anew with `ruxi card convert`.")
        return
    differing = [name for name in _REQUIRED_V2 if name in other and other[name] != source.fields.get(name)]
    if differing:
        problem = f"differs from chunk 'ccv3', which is the one in use, in: {', '.join(differing)}"
        yield _warn("chunk 'chara'", problem, remedy)


def _persona_warnings(character: Character, prefix: str) -> Iterator[Finding]:
    if not character.name.strip():
        yield _warn(f"{prefix}name", "is empty", "Give the character a name.")
    if not (character.description + character.personality + character.system_prompt).strip():
        yield _warn(f"{prefix}description", "is empty: there is no persona to play", "Describe the character.")
    if not character.first_mes.strip():
        yield _warn(f"{prefix}first_mes", "is empty: the user has to speak first", "Write a greeting.")
    speaker = re.compile(rf"(\{{\{{\s*char\s*\}}\}}|<bot>|{re.escape(character.call_name)})\s*[:：]", re.IGNORECASE)
    if character.mes_example.strip() and not speaker.search(character.mes_example):
        problem = "has no line that begins with `{{char}}:`"
        yield _warn(f"{prefix}mes_example", problem, "Mark who speaks: `{{char}}: …`.")


def _text_warnings(character: Character, prefix: str) -> Iterator[Finding]:
    texts: dict[str, str] = {name: getattr(character, name) for name in _TEXTS}
    texts |= {f"alternate_greetings[{index}]": text for index, text in enumerate(character.alternate_greetings)}
    for name, text in texts.items():
        unknown = unknown_macros(text)
        if unknown:
            problem = f"has macros that stay as they are: {', '.join(unknown[:5])}"
            yield _warn(f"{prefix}{name}", problem, "Known: char, user, random, pick, roll, reverse, //.")
        control = _CONTROL.search(text)
        if control is not None:
            problem = f"has control characters (U+{ord(control[0]):04X} first)"
            yield _warn(f"{prefix}{name}", problem, "Remove them.")


def _entry_warnings(entry: LorebookEntry, where: str) -> Iterator[Finding]:
    if not entry.content.strip():
        yield _warn(f"{where}.content", "is empty: the entry is never inserted", "Write it, or remove the entry.")
    elif not entry.constant and not any(key.strip() for key in entry.keys):
        yield _warn(f"{where}.keys", "is empty: nothing brings the entry in", "Add keys, or set `constant`.")
    if entry.position and entry.position not in _POSITIONS:
        yield _warn(f"{where}.position", f"is {shortened(entry.position)}", f"Known: {', '.join(_POSITIONS)}.")
    if entry.use_regex:
        for index, key in enumerate(entry.keys):
            fault = _regex_fault(key)
            if fault:
                problem = f"is no regular expression that can be used ({fault}): it never matches"
                yield _warn(f"{where}.keys[{index}]", problem, "Correct it, or set `use_regex` to false.")


def _regex_fault(pattern: str) -> str | None:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0] if error.args else "invalid"
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return None


def _translation_warnings(character: Character, prefix: str) -> Iterator[Finding]:
    try:
        others: Mapping[str, Mapping[str, Any]] = translations.translations(character.extensions)
    except CardFaults as faults:
        yield from (_warn(f"{prefix}{finding.field}", finding.problem, finding.remedy) for finding in faults.findings)
        return
    for code, texts in others.items():
        where = f"{prefix}extensions.ruxi.translations.{code}"
        try:
            Character.model_validate(texts)
        except ValidationError as error:
            yield from (_warn(item.field, item.problem, item.remedy) for item in findings_of(error, where))
        for name in texts:
            if name not in Character.model_fields:
                yield _warn(f"{where}.{name}", "is no field of a card", "Correct the field's name.")
