"""MMRole (Dai et al., ICLR 2025): multimodal role-play dialogues with 85 characters.

A folder with `dialogues.jsonl[.gz]`, `images/`, `profiles/` and `holdout_dialogue_ids.txt`. Each role becomes a
character whose description is its profile; `human` is the user. The picture belongs to the first turn; where it is
one of COCO's and not here, the part says so by having a name but no medium.

The ids of the hold-out list overlap with the benchmark's test items: they are marked `holdout`, which keeps them out
of every training and validation split, whatever is done later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from ruxi.dialogues.importers.base import ImportContext, Importer, ImportOptions
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Part, Split, Turn
from ruxi.errors import DataError

_USER = "human"
_HAN = re.compile(r"[\u3400-\u9fff]")


class MMRoleOptions(ImportOptions):
    """Options of the MMRole importer."""

    holdout: Literal["test", "drop"] = "test"
    """What becomes of held-out dialogues: the test split, or nothing."""
    holdout_ids: Path | None = None
    """The list of held-out ids, one a line, unless it is the source's `holdout_dialogue_ids.txt`."""
    coco: Path | None = None
    """Folder that holds COCO's `train2017/`, for the pictures that are not in the source."""


class _Line(BaseModel):
    role: str | None = None
    sender: str | None = Field(None, alias="from")
    value: str

    @model_validator(mode="after")
    def _has_speaker(self) -> _Line:
        if not (self.role or self.sender):
            raise ValueError("neither 'role' nor 'from' says who speaks")
        return self

    @property
    def speaker(self) -> str:
        return self.role or self.sender or ""


class _Record(BaseModel):
    id: str
    kind: str = ""
    image: str | None = None
    conversations: list[_Line]
    role_info: str = ""
    place_info: str = ""
    scene_info: str = ""


class MMRoleImporter(Importer):
    """Reads MMRole."""

    name = "mmrole"
    summary = "MMRole: multimodal role-play with 85 characters, English and Chinese"
    source = "MMRole-Data (Dai et al., ICLR 2025)"
    licence = "MIT"
    Options = MMRoleOptions
    options: MMRoleOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues; refuses to run without the hold-out list."""
        path = find(source, "dialogues.jsonl.gz", "dialogues.jsonl")
        held_out = self._held_out(path.parent)
        self._add_characters(path.parent / "profiles", context)
        without_card: set[str] = set()
        for number, record in json_lines(path, _Record, context):
            if record.id in held_out and self.options.holdout == "drop":
                continue
            with context.guard(path, number):
                yield self._dialogue(record, record.id in held_out, context, path, number, without_card)

    def _dialogue(
        self,
        record: _Record,
        holdout: bool,
        context: ImportContext,
        path: Path,
        number: int,
        without_card: set[str],
    ) -> Dialogue:
        if not record.conversations:
            problem = f"nobody speaks in the dialogue {record.id!r}"
            context.problem("empty", problem, file=path, line=number, remedy="`ruxi data check --fix` removes it.")
        turns = [Turn.of_text(line.speaker, line.value) for line in record.conversations]
        if record.image:
            turns = turns or [Turn(speaker=_USER)]
            turns[0].parts.insert(0, self._picture(record, context, path, number))
        cast = []
        for speaker in dict.fromkeys(turn.speaker for turn in turns):
            card = context.character_id(speaker)
            if speaker != _USER and card is None and speaker not in without_card:
                without_card.add(speaker)
                remedy = "Add it to profiles.json."
                problem = f"{speaker!r} has no profile"
                context.problem("not representable", problem, file=path, line=number, remedy=remedy)
            cast.append(CastMember(name=speaker, kind="user" if speaker == _USER else "character", character=card))
        split: Split = "test" if holdout else "train"
        return Dialogue(
            id=record.id,
            cast=cast,
            turns=turns,
            split=split,
            holdout=holdout,
            licence=self.licence,
            language=_language(turns),
            kind=record.kind,
        )

    def _picture(self, record: _Record, context: ImportContext, path: Path, number: int) -> Part:
        place = f"Place: {record.place_info}." if record.place_info else ""
        return self._image_part(record.image or "", [record.role_info, place, record.scene_info], context, path, number)

    def _image_part(self, image: str, notes: list[str], context: ImportContext, path: Path, number: int) -> Part:
        name, root = f"images/{image}", None
        if image.startswith("COCO/") and self.options.coco is not None:
            name, root = image.removeprefix("COCO/"), self.options.coco
        sha256 = context.medium(name, "image", file=path, line=number, root=root)
        caption = " ".join(words.strip() for words in notes if words.strip())
        return Part(kind="image", media=sha256, name=image, text=caption or None)

    def _held_out(self, folder: Path) -> frozenset[str]:
        path = self.options.holdout_ids or folder / "holdout_dialogue_ids.txt"
        try:
            return frozenset(path.read_text(encoding="utf-8").split("\n")) - {""}
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"the list of held-out ids cannot be read ({error})",
                where=str(path),
                remedy="Give it with --set holdout_ids=FILE; without it test items would leak into training.",
            ) from None

    def _add_characters(self, folder: Path, context: ImportContext) -> None:
        from ruxi.characters import Character

        for part in ("in-distribution", "out-of-distribution"):
            profiles = _read_object(folder / part / "profiles.json", context)
            series = {
                name: script
                for script, names in _read_object(folder / part / "roles.json", context).items()
                if isinstance(names, list)
                for name in names
            }
            for name, profile in profiles.items():
                if not isinstance(profile, str):
                    problem = f"the profile of {name!r} is not text"
                    remedy = "Write it as text."
                    context.problem("unreadable", problem, file=folder / part, remedy=remedy, lost=1)
                    continue
                own = {"script": series.get(name), "detailed_profile": _details(folder / part, name, context)}
                card = Character(
                    name=name,
                    description=profile.strip(),
                    creator="MMRole",
                    tags=[series[name]] if name in series else [],
                    extensions={"ruxi": {key: value for key, value in own.items() if value}},
                )
                context.character(name, card)


def _details(folder: Path, name: str, context: ImportContext) -> dict[str, Any]:
    path = folder / "detailed_profiles" / f"{name.replace(' ', '_').replace('/', '_')}.json"
    return _read_object(path, context)


def _read_object(path: Path, context: ImportContext) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        remedy = "Get the file again."
        context.problem("unreadable", f"not readable JSON ({error})", file=path, remedy=remedy, lost=1)
        return {}
    if isinstance(found, dict):
        return found
    context.problem("unreadable", "not an object", file=path, remedy="Get the file again.", lost=1)
    return {}


def _language(turns: list[Turn]) -> str:
    text = "".join(turn.text for turn in turns)
    return "zh" if len(_HAN.findall(text)) > len(text) / 5 else "en"
