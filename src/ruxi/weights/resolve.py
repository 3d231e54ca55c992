"""`resolve`: from what a recipe names to a folder with the weights.

Three kinds of names are accepted: a pinned part, a local folder, and a Hugging Face hub id. From the hub come only
safetensors and the data files of tokenizers and processors: no pickles, no code. Whoever loads the folder passes
`use_safetensors=True` and never `trust_remote_code`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from ruxi.errors import UsageError, WeightsError
from ruxi.weights import catalogue
from ruxi.weights.install import require

_ALLOWED = ["*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "*.tiktoken"]
# Copies of the same weights for other programs, in the layouts that publishers use.
_IGNORED = ["original/*", "metal/*", "onnx/*", "consolidated*.safetensors"]

_HUB_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)


def resolve(name: str | Path) -> Path:
    """The local folder of a pretrained part.

    Args:
        name: A pinned part (`"whisper-base"`), a folder (`"./my-model"`), or a hub id, with a branch, tag or commit
            if wanted (`"Qwen/Qwen3-0.6B"`, `"Qwen/Qwen3-0.6B@main"`).

    Raises:
        UsageError: The name is none of the three.
        WeightsError: The pinned part is not installed, the folder or repository has no safetensors, or the hub does
            not give it.
    """
    text = str(name)
    if text in catalogue.PARTS:
        return require(text)
    folder = Path(text).expanduser()
    if text and folder.is_dir():
        return _with_safetensors(folder.absolute(), text, "Convert the model with `save_pretrained` first.")
    match = _HUB_ID.fullmatch(text)
    if isinstance(name, Path) or match is None or text.startswith(("./", "../", "~")):
        raise UsageError(
            f"{text!r} is neither a folder, nor a hub id such as 'Qwen/Qwen3-0.6B', nor a pinned part",
            remedy=f"Pinned parts: {', '.join(catalogue.PARTS)}.",
        )
    return _from_hub(match["repository"], match["revision"])


def _from_hub(repository: str, revision: str | None) -> Path:
    from huggingface_hub import errors, snapshot_download

    where = f"hub repository {repository}" + (f"@{revision}" if revision else "")
    # The base of the hub's errors belongs to its HTTP library, which differs between its major versions.
    http_error = cast("type[Exception]", errors.HfHubHTTPError.__bases__[0])
    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns=_ALLOWED, ignore_patterns=_IGNORED)
    except errors.HFValidationError as error:
        raise UsageError(str(error), where=where, remedy="Hub ids read OWNER/NAME.") from error
    except errors.GatedRepoError as error:
        raise WeightsError(
            "its owner lets only registered users download it",
            where=where,
            remedy=f"Accept the terms on https://huggingface.co/{repository}, then run `hf auth login`.",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise WeightsError(
            "does not exist, or is private", where=where, remedy="Check the name, or run `hf auth login`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise WeightsError(
            "has no such branch, tag or commit", where=where, remedy="Check what stands after the '@'."
        ) from error
    except (OSError, http_error, errors.XetDownloadError) as error:
        # A cache folder that cannot be written, and connections that fail in every possible way.
        raise WeightsError(
            f"cannot be fetched and is not in the local cache ({_first_line(error)})",
            where=where,
            remedy="Connect to the network (HF_ENDPOINT names a mirror, HF_HUB_OFFLINE=1 forbids the network), or give "
            "a local folder.",
        ) from error
    return _with_safetensors(Path(folder), where, "Choose a repository or revision that has them.")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _with_safetensors(folder: Path, where: str, remedy: str) -> Path:
    if not any(folder.glob("*.safetensors")):
        raise WeightsError("has no .safetensors file, the only format that is loaded", where=where, remedy=remedy)
    return folder
