"""User intents: a compact set of dialogue acts, with the mapping from CPED's.

The set follows ISO 24617-2's general-purpose and social functions at the grain that a reply needs: what does the
speaker want to happen next? CPED: Chen et al., 2022 (19 dialogue acts).
"""

from __future__ import annotations

from typing import Final

INTENTS: Final[tuple[str, ...]] = (
    "ask", "answer", "inform", "opine", "request", "agree", "disagree", "comfort", "tease", "thank", "apologise",
    "praise", "greet", "part", "exclaim", "other",
)  # fmt: skip

FROM_CPED: Final[dict[str, str]] = {
    "acknowledge": "agree",
    "agreement": "agree",
    "answer": "answer",
    "apology": "apologise",
    "appreciation": "praise",
    "comfort": "comfort",
    "command": "request",
    "conventional-closing": "part",
    "disagreement": "disagree",
    "greeting": "greet",
    "interjection": "exclaim",
    "irony": "tease",
    "other": "other",
    "question": "ask",
    "quotation": "inform",
    "reject": "disagree",
    "statement-non-opinion": "inform",
    "statement-opinion": "opine",
    "thanking": "thank",
}
