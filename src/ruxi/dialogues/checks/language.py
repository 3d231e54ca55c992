"""Languages that differ from what the data say, or that change within a dialogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.dialogues.language import detect_language, same_language


class LanguageCheck:
    """Compares the detected language of longer texts with the declared one, or else with the dialogue's main one."""

    name: ClassVar[str] = "language"

    def look(self, record: Checked) -> Iterable[Fault]:
        """Texts of one dialogue in another language than the dialogue."""
        dialogue = record.dialogue
        found: list[tuple[int, int, str, str | None]] = []
        for index, turn in enumerate(dialogue.turns):
            for number, part in enumerate(turn.parts):
                detected = detect_language(part.text) if part.kind == "text" and part.text else None
                if detected is not None:
                    found.append((index, number, detected.code, part.language))
        if not found:
            return
        main = Counter(code for _, _, code, _ in found).most_common(1)[0][0]
        if dialogue.language is not None and not same_language(dialogue.language, main):
            yield Fault(
                self.name,
                "warning",
                f"the language is said to be {dialogue.language!r}, but most of the text is {main!r}",
                f"Set the language to {main!r} if that is right.",
            )
        for index, number, code, declared in found:
            expected = declared or dialogue.language or main
            if not same_language(expected, code) and (declared is not None or code != main):
                yield Fault(
                    self.name,
                    "hint",
                    f"the text is {code!r} where {expected!r} is expected",
                    "Keep it if the speaker changes the language; otherwise translate it or take it out.",
                    turn=index,
                    part=number,
                )

    def finish(self) -> Iterable[Fault]:
        """Nothing: every text is compared within its own dialogue."""
        return ()
