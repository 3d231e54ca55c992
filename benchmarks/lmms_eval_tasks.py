"""Two tasks of lmms-eval on local data, with our model in its process: one of text, one of pictures.

    python benchmarks/lmms_eval_tasks.py MMROLE_BENCH WEATHER [--model NAME] [--limit 40] [--python PYTHON]

The folders are data sets of `ruxi data import mmrole-bench` and `weather`. Their content is written in the columns that
lmms-eval's own tasks `arc_easy` (choices by likelihood) and `pope` (yes or no about a picture) read; the tasks are
included from lmms-eval. PYTHON is one with `lmms-eval` and `ruxi` installed, by default this one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import datasets

from ruxi.dialogues import DialogueSet

QUESTIONS = {
    "rain": "Is it raining in the image?",
    "cloudy": "Are there clouds in the image?",
    "sunrise": "Is there a sunrise in the image?",
    "shine": "Is the sun shining in the image?",
}
TASK = """include: {included}
task: {name}
dataset_path: parquet
dataset_name: null
training_split: null
validation_split: null
dataset_kwargs:
  data_files:
    test: {data}
"""


def which_reply(folder: Path) -> list[dict[str, Any]]:
    """Which of four replies belongs to the last question, in the columns of ARC."""
    dice = random.Random(0)
    dialogues = [d for d in DialogueSet.open(folder) if d.language == "en" and d.turns[-2].text]
    rows = []
    for dialogue in dialogues:
        speaker, reply = dialogue.turns[-1].speaker, dialogue.turns[-1].text
        others = sorted({d.turns[-1].text for d in dialogues if d.turns[-1].speaker != speaker})
        choices = [reply, *dice.sample(others, 3)]
        dice.shuffle(choices)
        rows.append(
            {
                "id": dialogue.id,
                "question": f"You are {speaker}. {dialogue.turns[-2].text}",
                "choices": {"text": choices, "label": list("ABCD")},
                "answerKey": "ABCD"[choices.index(reply)],
            }
        )
    dice.shuffle(rows)
    return rows


def what_weather(folder: Path) -> list[dict[str, Any]]:
    """A question about the weather in a picture, half of them with the answer yes, in the columns of POPE."""
    dice = random.Random(0)
    data = DialogueSet.open(folder)
    dialogues = [dialogue for dialogue in data if dialogue.split == "validation"]
    shown = [part for dialogue in dialogues for turn in dialogue.turns for part in turn.parts if part.media]
    dice.shuffle(shown)
    rows = []
    for number, part in enumerate(shown):
        label = part.labels[0].name
        asked = label if number % 2 else dice.choice(sorted(set(QUESTIONS) - {label}))
        rows.append(
            {
                "question_id": str(number),
                "question": QUESTIONS[asked],
                "answer": "yes" if asked == label else "no",
                "image": {"bytes": data.media.read(part.media or ""), "path": None},
                "category": "weather",
                "image_source": part.name or "",
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", type=Path)
    parser.add_argument("weather", type=Path)
    parser.add_argument("--model", default="ruxi-mini")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--python", default=sys.executable)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        where = "import lmms_eval, pathlib; print(pathlib.Path(lmms_eval.__file__).parent)"
        found = subprocess.run([arguments.python, "-c", where], capture_output=True, text=True, check=True)
        tasks = Path(found.stdout.strip()) / "tasks"
        datasets.disable_progress_bars()
        datasets.Dataset.from_list(which_reply(arguments.bench)).to_parquet(str(folder / "replies.parquet"))
        pictures = datasets.Dataset.from_list(what_weather(arguments.weather))
        pictures.cast_column("image", datasets.Image()).to_parquet(str(folder / "weather.parquet"))
        for name, included in (("replies", "arc/arc_easy.yaml"), ("weather", "pope/pope.yaml")):
            text = TASK.format(included=tasks / included, name=f"ruxi_{name}", data=folder / f"{name}.parquet")
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        command = [
            arguments.python, "-m", "lmms_eval", "--model", "ruxi", "--model_args", f"pretrained={arguments.model}",
            "--include_path", str(folder), "--tasks", "ruxi_replies,ruxi_weather", "--batch_size", "8",
            "--limit", str(arguments.limit), "--output_path", str(folder / "out"),
        ]  # fmt: skip
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        subprocess.run(command, check=True, env=os.environ | offline)
        for path in sorted((folder / "out").rglob("*results.json")):
            print(json.dumps(json.loads(path.read_text(encoding="utf-8"))["results"], indent=1))


if __name__ == "__main__":
    main()
