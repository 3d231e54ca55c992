"""CPED (Chen et al., 2022): Chinese television dialogues with emotion, intent and the speakers' Big Five.

A folder with `dialogues.jsonl[.gz]`. Each named speaker becomes a character whose card says gender, age and Big Five
in Chinese; `其他` (others) is whoever else speaks and has no card. Dialogue acts become intents and the thirteen
emotions labels of GoEmotions; `positive-other` and `negative-other` name none. The originals are kept as
`dialogue_act`, `source_emotion` and `sentiment`. A series is a group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labels import emotion_or_report, split_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.intents import FROM_CPED
from ruxi.dialogues.schema import CastMember, Dialogue, Turn

_OTHERS = "其他"
_GENDERS: Final[dict[str, str]] = {"female": "女", "male": "男"}
_AGES: Final[dict[str, str]] = {
    "children": "儿童", "teenager": "少年", "young": "青年", "middle-aged": "中年", "elderly": "老年",
}  # fmt: skip
_TRAITS: Final[dict[str, str]] = {"N": "神经质", "E": "外向性", "O": "开放性", "A": "宜人性", "C": "尽责性"}
_LEVELS: Final[dict[str, str]] = {"high": "高", "low": "低"}


class _Line(BaseModel):
    speaker: str
    text: str
    gender: str = "unknown"
    age: str = "unknown"
    big5: dict[str, str] = Field(default_factory=dict)
    scene: str | None = None
    sentiment: str | None = None
    emotion: str | None = None
    da: str | None = None


class _Record(BaseModel):
    id: str
    split: str | None = None
    tv: str = ""
    turns: list[_Line]


class CpedImporter(Importer):
    """Reads CPED."""

    name = "cped"
    summary = "CPED: Chinese television dialogues with emotions, intents and Big Five"
    source = "CPED (Chen et al., 2022)"
    licence = "Apache-2.0"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues."""
        path = find(source, "dialogues.jsonl.gz", "dialogues.jsonl")
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                first_lines = {line.speaker: line for line in reversed(record.turns)}
                cast = [
                    CastMember(name=name, character=_card(record.tv, first_lines[name], context))
                    for name in dict.fromkeys(line.speaker for line in record.turns)
                ]
                scenes = Counter(line.scene for line in record.turns if line.scene)
                yield Dialogue(
                    id=record.id,
                    cast=cast,
                    scene=scenes.most_common(1)[0][0] if scenes else None,
                    turns=[_turn(line, context, path, number) for line in record.turns],
                    split=split_of(record.split, context, path, number),
                    group=f"series {record.tv}" if record.tv else None,
                    licence=self.licence,
                    language="zh",
                )


def _turn(line: _Line, context: ImportContext, path: Path, number: int) -> Turn:
    if line.da and line.da not in FROM_CPED and context.once(f"dialogue act {line.da}"):
        remedy = "It is kept as `dialogue_act`; the turn has no intent."
        context.problem("unknown label", f"no dialogue act is {line.da!r}", file=path, line=number, remedy=remedy)
    return Turn.of_text(
        line.speaker,
        line.text,
        emotion=emotion_or_report(line.emotion, context, path, number),
        intent=FROM_CPED.get(line.da or ""),
        source_emotion=line.emotion,
        sentiment=line.sentiment,
        dialogue_act=line.da,
    )


def _card(series: str, line: _Line, context: ImportContext) -> str | None:
    from ruxi.characters import Character

    if line.speaker == _OTHERS:
        return None
    key = f"{series} {line.speaker}"
    about = [words for words in (_GENDERS.get(line.gender), _AGES.get(line.age)) if words]
    traits = [
        f"{_TRAITS[key]}{_LEVELS[level]}" for key, level in line.big5.items() if key in _TRAITS and level in _LEVELS
    ]
    return context.character_id(key) or context.character(
        key,
        Character(
            name=line.speaker,
            description="，".join([line.speaker, *about]) + "。",
            personality="，".join(traits),
            creator="CPED",
            extensions={"ruxi": {"gender": line.gender, "age": line.age, "big5": line.big5}},
        ),
    )
