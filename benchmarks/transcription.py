"""Word error rate and speed of the speech extractor on a folder of recordings with transcripts.

    python benchmarks/transcription.py FOLDER [--threads N] [--compute-type int8]

FOLDER holds `metadata.jsonl` with one `{"audio": ..., "text": ...}` a line. Both sides are normalised with Whisper's
English normaliser, without its table of British spellings. The real-time factor is the time for everything that the
extractor gives (states, language, words) over the duration of the sound.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import jiwer
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from ruxi.features.whisper import Whisper
from ruxi.media import open_audio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--languages", nargs="*", default=(), help="ISO 639-1 codes of what may be spoken")
    parser.add_argument("--show", action="store_true", help="print the transcripts that differ")
    options = parser.parse_args()
    rows = [json.loads(line) for line in (options.folder / "metadata.jsonl").read_text().splitlines()]
    extractor = Whisper(options.languages, options.threads, options.compute_type, options.beam_size)
    normalise = EnglishTextNormalizer({})
    extractor.extract(open_audio(options.folder / rows[0]["audio"]))  # loads the weights
    references, transcripts = [], []
    duration = spent = 0.0
    for row in rows:
        sound = open_audio(options.folder / row["audio"])
        begin = time.perf_counter()
        found = extractor.extract(sound)
        spent += time.perf_counter() - begin
        duration += sound.duration
        references.append(normalise(row["text"]))
        transcripts.append(normalise(found.text or ""))
        if options.show and references[-1] != transcripts[-1]:
            print(f"{row['audio']} ({found.language})\n  spoken {references[-1]}\n  heard  {transcripts[-1]}")
    result = {
        "recordings": len(rows),
        "seconds": round(duration, 1),
        "word_error_rate": round(jiwer.wer(references, transcripts), 4),
        "real_time_factor": round(spent / duration, 3),
        "seconds_per_recording": round(spent / len(rows), 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
