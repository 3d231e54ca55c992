"""What a speaker wants: 16 intents, few enough to be learnt from small data and chosen by hand.

They are dialogue acts in the tradition of Switchboard-DAMSL (Jurafsky et al., 1997), folded until people agree on
them. CPED (Chen et al., 2022) has 19 acts of that tradition; the mapping is here.
"""

from __future__ import annotations

from typing import Final

INTENTS: Final[dict[str, str]] = {
    "greeting": "opens the conversation",
    "farewell": "closes the conversation",
    "question": "wants to know something",
    "request": "wants something done",
    "answer": "answers a question",
    "statement": "tells a fact or what happened",
    "opinion": "says what they think or believe",
    "agreement": "agrees, accepts or shows that they follow",
    "disagreement": "holds that something is wrong",
    "refusal": "turns down a request or an offer",
    "thanks": "thanks",
    "apology": "says sorry",
    "praise": "praises or admires",
    "comfort": "consoles or encourages",
    "teasing": "jokes, teases or means the opposite",
    "exclamation": "lets a feeling out",
}
"""Each intent with what the speaker does, in words for annotators."""

FROM_CPED: Final[dict[str, str | None]] = {
    "greeting": "greeting",
    "conventional-closing": "farewell",
    "question": "question",
    "command": "request",
    "answer": "answer",
    "statement-non-opinion": "statement",
    "quotation": "statement",
    "statement-opinion": "opinion",
    "agreement": "agreement",
    "acknowledge": "agreement",
    "disagreement": "disagreement",
    "reject": "refusal",
    "thanking": "thanks",
    "apology": "apology",
    "appreciation": "praise",
    "comfort": "comfort",
    "irony": "teasing",
    "interjection": "exclamation",
    "other": None,
}
"""CPED's dialogue acts; `other` says nothing about the intent."""
