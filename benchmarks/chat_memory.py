"""Peak memory and speed of `ruxi chat`, measured from outside on whole runs of the command.

    python benchmarks/chat_memory.py

Runs a text-only turn and one with a photograph and a spoken question, each in a process of its own, and prints one line
of JSON a run: peak resident memory in MiB, the timings that the reply reports, and tokens a second after the first one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruxi.demo import photograph
from ruxi.scene import PiperVoice

COMMAND = [sys.executable, "-c", "from ruxi.cli import main; main()", "chat", "mira", "--json", "--seed", "1"]


def measure(name: str, *arguments: str) -> dict[str, Any]:
    began = time.monotonic()
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{name}: the command failed")
    reply = json.loads(output)
    timings, tokens = reply["timings"], reply["usage"]["completion_tokens"]
    spoken = timings["total"] - timings["perceive"] - timings["first_token"]
    return {
        "run": name,
        "peak_mib": round(usage.ru_maxrss / 1024),
        "seconds": round(time.monotonic() - began, 2),
        **timings,
        **reply["usage"],
        "tokens_per_second": round((tokens - 1) / spoken, 1) if spoken > 0 else None,
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture, question = Path(folder) / "photograph.png", Path(folder) / "question.wav"
        picture.write_bytes(photograph())
        question.write_bytes(PiperVoice().speak("Captain, what do you see in this picture?"))
        runs = (
            ("text", "--say", "Captain, where should we fly to next?"),
            ("picture and speech", "--image", str(picture), "--audio", str(question)),
        )
        for run in runs:
            print(json.dumps(measure(*run)), flush=True)


if __name__ == "__main__":
    main()
