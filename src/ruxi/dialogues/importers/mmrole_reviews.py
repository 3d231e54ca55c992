"""MMRole's published reviews: answers of eleven models to the test items, each scored beside the gold reply.

A folder with `reviews.jsonl[.gz]`, `test.jsonl`, `images/` and `profiles/`. Each scored answer is a dialogue that ends
with it; its rating is the mean of its scores over ten. The reply turn keeps the scores of both sides (`scores`), the
gold reply (`reference`) and the model's name (`system`), so that a judge can be measured against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext
from ruxi.dialogues.importers.mmrole_bench import BenchItem, MMRoleBenchImporter
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import Dialogue, Turn

_BEST = 10.0


class _Review(BaseModel):
    id: str
    model: str
    answer: str
    scores: dict[str, tuple[float, float]] = {}


class MMRoleReviewsImporter(MMRoleBenchImporter):
    """Reads the scored answers of MMRole."""

    name = "mmrole-reviews"
    summary = "MMRole's published reviews: 3,226 scored answers of eleven models to the test items"
    source = "MMRole-Bench (Dai et al., ICLR 2025)"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the answers in their published order."""
        path = find(source, "reviews.jsonl.gz", "reviews.jsonl")
        self._add_characters(path.parent / "profiles", context)
        items_path = find(source, "test.jsonl")
        items = {item.id: (number, item) for number, item in json_lines(items_path, BenchItem, context)}
        asked: dict[str, Dialogue] = {}
        for number, review in json_lines(path, _Review, context):
            if not review.scores or review.id not in items:
                problem = f"the answer of {review.model} to {review.id!r} has no " + (
                    "scores" if review.id in items else "item"
                )
                context.problem("not representable", problem, file=path, line=number, remedy="It is left out.", lost=1)
                continue
            with context.guard(path, number):
                if review.id not in asked:
                    line, item = items[review.id]
                    asked[review.id] = self._as_dialogue(item, context, items_path, line)
                yield _reviewed(asked[review.id], review)


def _reviewed(asked: Dialogue, review: _Review) -> Dialogue:
    own = [pair[0] for pair in review.scores.values()]
    extra: dict[str, Any] = {
        "scores": {name: list(pair) for name, pair in review.scores.items()},
        "reference": asked.turns[-1].text,
        "system": review.model,
    }
    rating = min(1.0, max(0.0, sum(own) / len(own) / _BEST))
    reply = Turn.of_text(asked.turns[-1].speaker, review.answer, rating=rating, **extra)
    return asked.model_copy(
        update={"id": f"{asked.id}:{review.model}", "turns": [*asked.turns[:-1], reply], "group": asked.id}
    )
