"""Intents by patterns of our own, English and Chinese, until a model is trained.

The first pattern that fits decides; its confidence is how often that kind of pattern was right on CPED's dialogue acts
or, for English, a cautious guess. `benchmarks/annotation.py` prints how often the whole is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ruxi.dialogues.annotation.types import Answer, Field, Item

_PATTERNS: Final[tuple[tuple[str, float, re.Pattern[str]], ...]] = tuple(
    (intent, confidence, re.compile(pattern, re.IGNORECASE))
    for intent, confidence, pattern in (
        (
            "thanks", 0.85,
            r"\b(?:thanks|thank you|i appreciate)\b|谢谢|多谢|感谢",
        ),
        (
            "apology", 0.85,
            r"\b(?:i'?m (?:so |really |very )?sorry|sorry (?:about|for|that|i)|i apologi[sz]e|forgive me)\b|"
            r"^sorry\b|对不起|抱歉|不好意思",
        ),
        (
            "farewell", 0.85,
            r"^(?:well,? |ok(?:ay)?,? )?(?:good ?bye|bye|see you|farewell|good night|take care)\b|再见|拜拜|"
            r"晚安|回头见",
        ),
        (
            "greeting", 0.8,
            r"^(?:hi|hello|hey there|good (?:morning|evening|afternoon)|greetings|welcome)\b|^(?:hey|"
            r"hi)[,!. ]*\w*[!.]*$|你好|您好|早上好|大家好",
        ),
        (
            "comfort", 0.7,
            r"\b(?:don'?t (?:worry|cry)|it'?s (?:going to|gonna) be (?:ok|okay|all right|alright|fine)|"
            r"calm down|there,? there|it'?ll be (?:ok|okay|fine|all right)|cheer up)\b|别担心|别难过|别哭|"
            r"没事的|没关系|会好的|加油|别怕|放心",
        ),
        (
            "teasing", 0.5,
            r"\b(?:just kidding|i'?m kidding|as if|yeah,? right)\b|开玩笑|逗你|你可真行",
        ),
        (
            "praise", 0.7,
            r"\b(?:well done|good job|great job|you(?:'re| are) (?:so |really |very )?(?:amazing|great|"
            r"brilliant|wonderful|beautiful|the best|a genius)|nice work|congratulations)\b|真棒|太棒了|厉害|"
            r"真不错|真漂亮|了不起|佩服",
        ),
        (
            "refusal", 0.65,
            r"\b(?:no,? thanks|i (?:can'?t|won'?t|refuse)|no way|not a chance|i'?d rather not)\b|我不去|"
            r"我不要|不行|不用了|别想|不干",
        ),
        (
            "question", 0.85,
            r'''[?？]\s*[\"'”’)]*\s*$''',
        ),
        (
            "question", 0.7,
            r"(?:吗|呢|什么|怎么样|怎么回事|为什么|为啥|干嘛|干什么|哪儿|哪里|谁啊|几点|"
            r"多少)[啊呀呢了]?[。.！!]*$|^(?:怎么|为什么|谁|哪)",
        ),
        (
            "request", 0.7,
            r"\b(?:please|could you|would you|can you|let me|let's|let us|give me|tell me|help me)\b|^(?:stop|"
            r"wait|go|come|look|listen|take|get|put|hold|bring|leave|do|don'?t|shut up|try|keep)\b|^(?:请|别|"
            r"快|给我|帮我|让我|等等|等一下|站住|走吧|你快|赶紧|来来)|吧[。.！!]*$",
        ),
        (
            "disagreement", 0.6,
            r"^(?:no\b|nope|that'?s not|you(?:'re| are) wrong|i disagree|i don'?t think)|^(?:不是|不对|没有|"
            r"哪有|才不)",
        ),
        (
            "agreement", 0.65,
            r"^(?:yes|yeah|yep|ok|okay|sure|right|exactly|of course|absolutely|i agree|fine|uh-?huh|all right|"
            r"alright)\b|^(?:好|对|行|嗯|是的|是啊|没错|可以|当然|知道了|明白|得)[啊呀的吧了嘞]?",
        ),
        (
            "opinion", 0.55,
            r"\b(?:i (?:think|believe|guess|feel|suppose|hope|like|love|hate|prefer)|in my opinion|i'?d say|"
            r"it seems|maybe|probably|should|must be)\b|我觉得|我看|我认为|应该|可能|肯定|恐怕|我想|最好",
        ),
        (
            "exclamation", 0.6,
            r"^(?:oh|ah|wow|whoa|ugh|yay|oh my god|gosh|damn|woo)\b[^a-z]*(?:\w+\W*){0,2}$|^(?:哎呀?|啊|哦|哇|"
            r"天哪|我的天|妈呀|唉|哼|嘿|咦|呀)",
        ),
    )
)  # fmt: skip


def guess_intent(text: str, before: str | None = None) -> tuple[str, float]:
    """What the speaker of a text wants, with a confidence between 0 and 1.

    Args:
        text: What is said.
        before: What was said before it; after a question, a plain statement is an answer.
    """
    plain = text.strip().replace("’", "'")
    for intent, confidence, pattern in _PATTERNS:
        if pattern.search(plain):
            return intent, confidence
    if before is not None and guess_intent(before)[0] == "question":
        return "answer", 0.5
    return "statement", 0.45


class IntentRules:
    """Names the intent of a turn by its wording and the turn before it."""

    name = "intent-rules"
    version = "1"
    fields: frozenset[Field] = frozenset({"intent"})
    context_turns = 1
    batch = 1024

    def annotate(self, items: Sequence[Item]) -> list[Answer | None]:
        """An intent for each turn."""
        return [
            {"intent": list(guess_intent(item.text, item.context[-1][1] if item.context else None))} for item in items
        ]
