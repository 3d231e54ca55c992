"""Checks: every fault of a data set in one report, and a repaired copy."""

from ruxi.dialogues.checks.fault import Fault
from ruxi.dialogues.checks.fix import Fixed, fix, fix_in_place
from ruxi.dialogues.checks.personal_data import find_personal_data, mask_personal_data
from ruxi.dialogues.checks.report import Report
from ruxi.dialogues.checks.run import check
from ruxi.dialogues.checks.settings import NAMES, CheckSettings

__all__ = [
    "NAMES", "CheckSettings", "Fault", "Fixed", "Report", "check", "find_personal_data", "fix", "fix_in_place",
    "mask_personal_data",
]  # fmt: skip
