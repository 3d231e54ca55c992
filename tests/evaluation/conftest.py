from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ruxi.cli import main

RuxiEval = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ruxi_eval(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RuxiEval:
    """Run `ruxi eval` in this process; gives exit code, standard output and standard error."""

    def ruxi_eval(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ruxi", "eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return ruxi_eval
