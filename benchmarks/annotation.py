"""How often the annotators that need no trained model are right.

    python benchmarks/annotation.py DATA [--embed] [--noise]

DATA holds `meld/`, `topical_chat/` and `cped/`. Emotions in the 7 of MELD: the rules, and the classifier trained on the
training split of MELD, both on MELD's validation split; the rules and a classifier trained on one half of Topical-Chat,
on its other half. Intents: the rules, and a classifier trained on CPED's validation split, on CPED's test split.
`--embed` adds sentence embeddings to the classifiers. `--noise` instead changes a twentieth of MELD's training labels
and prints how many of the doubtful labels that `ruxi data check` names are among them.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sklearn.metrics import accuracy_score, f1_score

from ruxi.dialogues import Dialogue
from ruxi.dialogues.annotation import Annotator, ClassifierAnnotator, EmotionRules, IntentRules, Item
from ruxi.dialogues.checks import CheckSettings, check
from ruxi.dialogues.emotions import TO_BASIC
from ruxi.dialogues.importers import import_dataset, load_importer
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.features import load_embedder


def imported(name: str, source: Path, folder: Path) -> DialogueSet:
    import_dataset(load_importer(name), source, folder / name)
    return DialogueSet.open(folder / name)


def labelled(dialogues: list[Dialogue], field: str) -> Iterator[tuple[Item, str]]:
    for dialogue in dialogues:
        for index, turn in enumerate(dialogue.turns):
            if getattr(turn, field) is not None and turn.text.strip():
                context = tuple((before.speaker, before.text) for before in dialogue.turns[max(0, index - 1) : index])
                yield Item("", turn.text, turn.speaker, context), getattr(turn, field)


def score(name: str, annotator: Annotator, dialogues: list[Dialogue], field: str) -> None:
    pairs = list(labelled(dialogues, field))
    answers = annotator.annotate([item for item, _ in pairs])
    said = [answer[field][0] if answer else "" for answer in answers]
    true = [label for _, label in pairs]
    if field == "emotion":
        said, true = [TO_BASIC[label] for label in said], [TO_BASIC[label] for label in true]
    most = max(set(true), key=true.count)
    print(
        json.dumps(
            {
                "data": name,
                "annotator": annotator.name,
                "turns": len(true),
                "accuracy": round(accuracy_score(true, said), 3),
                "weighted_f1": round(f1_score(true, said, average="weighted"), 3),
                "macro_f1": round(f1_score(true, said, average="macro"), 3),
                "always_the_commonest": round(true.count(most) / len(true), 3),
            }
        ),
        flush=True,
    )


def noise(meld: list[Dialogue], folder: Path, embed: bool) -> None:
    draw = random.Random(0)
    changed: set[tuple[str, int]] = set()
    labels = sorted({turn.emotion for one in meld for turn in one.turns if turn.emotion})
    turns = 0
    with DatasetWriter(folder / "noisy", licence="x") as writer:
        for one in meld:
            for index, turn in enumerate(one.turns):
                turns += turn.emotion is not None
                if turn.emotion is not None and draw.random() < 0.05:
                    turn.emotion = draw.choice([label for label in labels if label != turn.emotion])
                    changed.add((one.id, index))
            writer.add(one)
    settings = CheckSettings(embedder=load_embedder() if embed else None)
    with check(folder / "noisy", settings) as report:
        named = [(fault.dialogue, fault.turn) for fault in report.faults("labels")]
    right = sum(place in changed for place in named)
    result = {
        "turns": turns,
        "changed": len(changed),
        "named": len(named),
        "named_and_changed": right,
        "precision": round(right / max(1, len(named)), 3),
        "recall": round(right / len(changed), 3),
        "precision_of_chance": round(len(changed) / turns, 3),
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--embed", action="store_true")
    parser.add_argument("--noise", action="store_true")
    arguments = parser.parse_args()
    embedder = load_embedder() if arguments.embed else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        meld = list(imported("meld", arguments.data / "meld", folder))
        train = [one for one in meld if one.split == "train"]
        if arguments.noise:
            noise(train, folder, arguments.embed)
            return
        held_out = [one for one in meld if one.split == "validation"]
        score("MELD validation", EmotionRules(), held_out, "emotion")
        score("MELD validation", ClassifierAnnotator("emotion", train, embedder), held_out, "emotion")
        topical = list(imported("topical-chat", arguments.data / "topical_chat", folder))
        score("Topical-Chat, second half", EmotionRules(), topical[1::2], "emotion")
        classifier = ClassifierAnnotator("emotion", topical[::2], embedder)
        score("Topical-Chat, second half", classifier, topical[1::2], "emotion")
        cped = list(imported("cped", arguments.data / "cped", folder))
        test = [one for one in cped if one.split == "test"]
        score("CPED test", IntentRules(), test, "intent")
        classifier = ClassifierAnnotator("intent", [one for one in cped if one.split == "validation"], embedder)
        score("CPED test", classifier, test, "intent")


if __name__ == "__main__":
    main()
