"""What a check run found: counts, all faults in reading order, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ruxi import files
from ruxi.dialogues.checks.fault import SEVERITIES, Fault, Severity
from ruxi.dialogues.checks.scratch import Scratch
from ruxi.dialogues.checks.settings import CheckSettings

JSON_NAME = "check.json"
MARKDOWN_NAME = "check.md"
_SHOWN = 50


class Report:
    """The faults of one data set; a temporary file holds them until the report is closed.

    Attributes:
        folder: The data set.
        settings: What was looked for.
        records: Number of records that were looked at.
    """

    def __init__(self, folder: Path, settings: CheckSettings, records: int, scratch: Scratch) -> None:
        self.folder = folder
        self.settings = settings
        self.records = records
        self._scratch = scratch
        self.counts = scratch.counts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the temporary file."""
        self._scratch.close()

    def count(self, severity: Severity) -> int:
        """Number of faults of one severity."""
        return sum(found.get(severity, 0) for found in self.counts.values())

    def faults(self, check: str | None = None, limit: int = -1) -> Iterator[Fault]:
        """The faults in reading order, those of the data set as a whole first.

        Args:
            check: Only those of this check.
            limit: At most so many; -1 for all.
        """
        return self._scratch.faults(check, limit)

    def summary(self) -> dict[str, Any]:
        """Counts for a program."""
        return {
            "dataset": str(self.folder),
            "records": self.records,
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "hints": self.count("hint"),
            "checks": self.counts,
            "skipped": sorted(self.settings.skip),
        }

    def write(self, folder: Path) -> None:
        """Write `check.json` (every fault) and `check.md` (for a person) into a folder."""
        with files.writing(folder / JSON_NAME) as file:
            file.writelines(piece.encode() for piece in self.json())
        files.write_text(folder / MARKDOWN_NAME, self.markdown())

    def json(self, **more: Any) -> Iterator[str]:
        """One JSON object with the counts and every fault, in pieces.

        Args:
            more: Further fields for the object.
        """
        yield json.dumps(self.summary() | more, ensure_ascii=False, indent=1)[:-2] + ',\n "faults": ['
        for number, fault in enumerate(self.faults()):
            kept = {name: value for name, value in asdict(fault).items() if value is not None and name != "row"}
            yield (",\n  " if number else "\n  ") + json.dumps(kept, ensure_ascii=False)
        yield "\n ]\n}\n"

    def markdown(self) -> str:
        """A page for a person: counts, then the first faults of each check."""
        lines = [
            f"# Check of {self.folder.name}",
            "",
            f"{self.records:,} records: {self.count('error'):,} errors, {self.count('warning'):,} warnings,"
            f" {self.count('hint'):,} hints.",
            "",
            "| check | errors | warnings | hints |",
            "|---|---:|---:|---:|",
        ]
        for check, found in self.counts.items():
            lines.append(f"| {check} | " + " | ".join(f"{found.get(s, 0):,}" for s in SEVERITIES) + " |")
        for check, found in self.counts.items():
            total = sum(found.values())
            lines += ["", f"## {check}", ""]
            lines += [
                f"- **{fault.severity}** {_escaped(fault.place)}: {_escaped(fault.problem)}. {fault.remedy}"
                for fault in self.faults(check, _SHOWN)
            ]
            if total > _SHOWN:
                lines.append(f"- … and {total - _SHOWN:,} more in {JSON_NAME}")
        return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text from the data must not become markup."""
    text = " ".join(text.split())
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return text
