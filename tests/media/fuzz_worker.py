"""Opens what comes in on stdin and answers on stdout, under a memory limit: one long-lived process of the fuzz test."""

from __future__ import annotations

import pickle
import resource
import sys
from pathlib import Path

from ruxi.errors import MediaError
from ruxi.media import open_audio, open_image, open_medium, open_video

ROOM = 1024**3
OPENERS = {"medium": open_medium, "image": open_image, "audio": open_audio, "video": open_video}


def main() -> None:
    """Answer `("ok" | "refused" | "fault", words, peak of memory in bytes)` to each `(opener, bytes)`."""
    for name, opener in OPENERS.items():  # imports the decoders, which take address space too
        try:
            opener(b"")
        except MediaError:
            continue
        raise AssertionError(name)
    import av  # noqa: F401
    import PIL.Image

    PIL.Image.init()
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            opener, data = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = ("ok", type(OPENERS[opener](data)).__name__)
        except MediaError as error:
            answer = ("refused", str(error))
        except BaseException as error:
            answer = ("fault", f"{type(error).__name__}: {error}")
        peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
        pickle.dump((*answer, peak), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
