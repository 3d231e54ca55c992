"""Media that are missing, damaged, of another kind than the part says, or that nobody refers to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.dialogues.checks.scratch import Scratch
from ruxi.errors import MediaError
from ruxi.media import Kind, MediaFolder

Depth = Literal["none", "content", "decode"]
"""How closely media are looked at: only whether they are there; their bytes (unchanged, of the right kind); decoded."""


class MediaCheck:
    """Looks once at every medium that a dialogue refers to.

    Args:
        scratch: Where verdicts are kept.
        media: The data set's media.
        depth: How closely to look.
    """

    name: ClassVar[str] = "media"

    def __init__(self, scratch: Scratch, media: MediaFolder, depth: Depth = "content") -> None:
        self._scratch = scratch
        self._media = media
        self._depth = depth
        scratch.database.execute(
            "CREATE TABLE medium (digest TEXT, kind TEXT, problem TEXT, PRIMARY KEY (digest, kind)) WITHOUT ROWID"
        )

    def look(self, record: Checked) -> Iterable[Fault]:
        """Faults of one dialogue's media."""
        for index, turn in enumerate(record.dialogue.turns):
            for number, part in enumerate(turn.parts):
                if part.kind == "text":
                    continue
                if part.media is None:
                    if not (part.text or part.labels or part.name):
                        continue  # The turns check reports parts that hold nothing at all.
                    yield Fault(
                        self.name,
                        "hint",
                        f"the {part.kind} {part.name!r} is absent"
                        if part.name
                        else f"the {part.kind} itself is absent",
                        "Add the medium if you have it.",
                        turn=index,
                        part=number,
                    )
                elif problem := self._problem(part.media, part.kind):
                    yield Fault(
                        self.name,
                        "error",
                        f"{part.kind} {part.media[:12]}: {problem}",
                        "Put the right file into media/, or take the part out.",
                        turn=index,
                        part=number,
                        repair="drop_part",
                    )

    def finish(self) -> Iterable[Fault]:
        """Report media that no dialogue refers to."""
        used = "SELECT 1 FROM medium WHERE digest = ?"
        count, example = 0, ""
        for digest in self._media:
            if self._scratch.database.execute(used, (digest,)).fetchone() is None:
                count, example = count + 1, example or digest
        if count:
            yield Fault(
                self.name,
                "hint",
                f"no dialogue refers to {count:,} of the media, for example {example}",
                "Delete them if they are not needed; a fixed copy leaves them out.",
                file="media",
            )

    def _problem(self, digest: str, kind: Kind) -> str | None:
        database = self._scratch.database
        known = database.execute("SELECT problem FROM medium WHERE digest = ? AND kind = ?", (digest, kind)).fetchone()
        if known is None:
            known = (self._look_at(digest, kind),)
            database.execute("INSERT INTO medium VALUES (?, ?, ?)", (digest, kind, known[0]))
        problem: str | None = known[0]
        return problem

    def _look_at(self, digest: str, kind: Kind) -> str | None:
        try:
            if self._depth == "none":
                self._media.path(digest)
            else:
                _open(self._media.read(digest), kind, decode=self._depth == "decode")
        except MediaError as error:
            return error.problem
        return None


def _open(data: bytes, kind: Kind, *, decode: bool) -> None:
    from ruxi.media import open_medium
    from ruxi.media.sniff import require

    if decode:
        open_medium(data, kind)
    else:
        require(data, kind, "medium")
