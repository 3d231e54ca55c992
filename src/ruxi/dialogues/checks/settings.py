"""What a check run looks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ruxi.dialogues.checks.cast import CastCheck
from ruxi.dialogues.checks.fault import Check
from ruxi.dialogues.checks.identity import IdentityCheck
from ruxi.dialogues.checks.labels import LabelsCheck
from ruxi.dialogues.checks.language import LanguageCheck
from ruxi.dialogues.checks.leakage import LeakageCheck
from ruxi.dialogues.checks.media_files import Depth, MediaCheck
from ruxi.dialogues.checks.near_duplicates import DEFAULT_THRESHOLD, NearDuplicatesCheck
from ruxi.dialogues.checks.personal_data import PersonalDataCheck
from ruxi.dialogues.checks.scratch import Scratch
from ruxi.dialogues.checks.times import TimesCheck
from ruxi.dialogues.checks.turns import TurnsCheck
from ruxi.dialogues.checks.unreadable import NAME as TYPES
from ruxi.dialogues.embedder import Embedder
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import UsageError

DATASET = "dataset"
NAMES = (
    TYPES, TurnsCheck.name, CastCheck.name, TimesCheck.name, MediaCheck.name, IdentityCheck.name,
    NearDuplicatesCheck.name, LeakageCheck.name, PersonalDataCheck.name, LanguageCheck.name, LabelsCheck.name, DATASET,
)  # fmt: skip
"""The checks; `types` (records that are no dialogues) and `dataset` (dataset.json) always run."""


@dataclass(frozen=True)
class CheckSettings:
    """What to look for.

    Attributes:
        skip: Names of checks to leave out.
        media: How closely to look at media.
        near_duplicates: Share of common three-word sequences from which dialogues count as near-duplicates.
        by_character: Whether a character that speaks in several splits is leakage.
        embedder: Tells which texts are alike, for doubtful labels; TF-IDF when None.
    """

    skip: frozenset[str] = field(default_factory=frozenset)
    media: Depth = "content"
    near_duplicates: float = DEFAULT_THRESHOLD
    by_character: bool = False
    embedder: Embedder | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(self.skip - set(NAMES)):
            raise UsageError(f"no check is called {unknown[0]!r}", remedy=f"Known: {', '.join(NAMES)}.")
        if not 0 < self.near_duplicates <= 1:
            raise UsageError(
                f"the similarity {self.near_duplicates} is not between 0 and 1", remedy="Give a share such as 0.8."
            )

    def checks(self, dataset: DialogueSet, scratch: Scratch) -> list[Check]:
        """The checks of one run, in the order in which they look at a record."""
        makers: dict[str, Callable[[], Check]] = {
            TurnsCheck.name: TurnsCheck,
            CastCheck.name: lambda: CastCheck(dataset.path),
            TimesCheck.name: TimesCheck,
            MediaCheck.name: lambda: MediaCheck(scratch, dataset.media, self.media),
            IdentityCheck.name: lambda: IdentityCheck(scratch),
            NearDuplicatesCheck.name: lambda: NearDuplicatesCheck(scratch, self.near_duplicates),
            LeakageCheck.name: lambda: LeakageCheck(scratch, self.by_character),
            PersonalDataCheck.name: PersonalDataCheck,
            LanguageCheck.name: LanguageCheck,
            LabelsCheck.name: lambda: LabelsCheck(self.embedder),
        }
        return [make() for name, make in makers.items() if name not in self.skip]
