"""Emotions by a small lexicon of our own: the 28 labels, English and Chinese, until a model is trained.

Words vote for labels; a negation before a word takes its vote away, marks and interjections add a little. It knows
words, not situations: most turns without an emotional word come out neutral, and its confidence says so.
`benchmarks/annotation.py` prints how often it is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ruxi.dialogues.annotation.types import Answer, Field, Item
from ruxi.dialogues.emotions import NEUTRAL

_ENGLISH: Final[dict[str, str]] = {
    "admiration": "amazing awesome brilliant impressive wonderful incredible magnificent splendid talented genius"
    " excellent fantastic marvellous marvelous 'well done' 'good job' 'great job' 'good work' respect impressed",
    "amusement": "haha hahaha lol hilarious funny joke joking kidding laugh laughing laughed giggle ridiculous",
    "anger": "angry furious hate hates hated mad rage bastard damn damned 'shut up' 'how dare' idiot bitch 'screw you'"
    " outrageous pissed 'go to hell' jerk liar",
    "annoyance": "annoying annoyed annoys irritating 'come on' enough stop bother bothering 'so what' whatever ugh"
    " 'leave me alone' seriously stupid bored boring 'sick of' 'get out'",
    "approval": "right exactly agree agreed sure absolutely definitely correct indeed fair 'of course' 'good idea'"
    " 'makes sense' okay",
    "caring": "careful worry worried 'take care' 'are you okay' 'are you all right' 'are you alright' 'let me help'"
    " honey sweetie comfort rest safe poor",
    "confusion": "confused confusing 'i do not understand' puzzled 'what do you mean' 'makes no sense' lost huh",
    "curiosity": "curious wonder wondering interesting tell interested 'how come' 'did you know' 'have you ever'"
    " 'do you know' 'what is it'",
    "desire": "wish want wanted wants desire crave longing 'i would love' hungry dying",
    "disappointment": "disappointed disappointing disappointment unfortunately shame letdown 'too bad' failed pity",
    "disapproval": "wrong disagree shouldn't 'should not' unacceptable unfair bad terrible 'no way' 'not right' refuse",
    "disgust": "disgusting disgust gross yuck eww ew nasty sick vomit filthy revolting creepy",
    "embarrassment": "embarrassed embarrassing ashamed awkward humiliating humiliated blush",
    "excitement": "excited exciting 'can not wait' yay woohoo 'oh my god' wow thrilled thrilling woo hurray hooray",
    "fear": "afraid scared frightened terrified terrifying scary fear horror panic help danger dangerous frightening",
    "gratitude": "thanks thank grateful appreciate thankful 'thank you'",
    "grief": "died death dead funeral mourn mourning grief 'passed away' buried",
    "joy": "happy glad joy great delighted cheerful yes fun enjoy enjoyed enjoying 'so good' lovely nice pleased smile",
    "love": "love loves loved adore darling beloved kiss marry sweetheart 'in love'",
    "nervousness": "nervous anxious anxiety uneasy worried tense stress stressed 'freaking out' 'freaked out'",
    "optimism": "hope hopefully optimistic 'will be fine' 'be all right' 'be okay' better soon luck",
    "pride": "proud pride accomplished achieved achievement 'i did it' 'we did it'",
    "realization": "realize realized realise realised 'i see' 'now i understand' oh 'it turns out' apparently",
    "relief": "relief relieved phew 'thank god' 'thank goodness' finally",
    "remorse": "sorry apologize apologise apologies regret forgive guilty 'my fault' 'i should not have'",
    "sadness": "sad cry crying cried tears lonely miss missed hurt hurts unhappy heartbroken depressed miserable"
    " 'so hard' alone",
    "surprise": "surprised surprise what unbelievable 'no way' shocked shocking sudden suddenly 'oh my god' 'really'"
    " 'are you serious' 'can not believe' whoa wait",
}
_CHINESE: Final[dict[str, str]] = {
    "admiration": "佩服 厉害 了不起 真棒 太棒 优秀",
    "amusement": "哈哈 嘿嘿 好笑 逗死 开玩笑",
    "anger": "生气 混蛋 滚 气死 讨厌你 可恶 王八蛋 凭什么 放屁",
    "annoyance": "烦 别吵 够了 行了行了 无聊 懒得",
    "approval": "没错 对啊 同意 好主意 可以啊 当然",
    "caring": "小心 注意身体 没事吧 担心你 照顾 别难过",
    "confusion": "不明白 不懂 什么意思 糊涂",
    "curiosity": "好奇 为什么 怎么回事 告诉我",
    "desire": "想要 希望能 真想",
    "disappointment": "失望 可惜 白费",
    "disapproval": "不对 不行 不应该 不同意 过分",
    "disgust": "恶心 讨厌 脏",
    "embarrassment": "尴尬 丢人 不好意思 害羞",
    "excitement": "太好了 激动 耶 哇",
    "fear": "害怕 吓死 可怕 恐怖 救命 怕",
    "gratitude": "谢谢 多谢 感谢",
    "grief": "去世 死了 节哀",
    "joy": "开心 高兴 快乐 幸福 真好",
    "love": "爱你 喜欢你 亲爱的 想你",
    "nervousness": "紧张 不安 着急 担心",
    "optimism": "会好的 加油 放心 希望",
    "pride": "骄傲 自豪",
    "realization": "原来 明白了 我懂了 怪不得",
    "relief": "松口气 终于 谢天谢地",
    "remorse": "对不起 抱歉 后悔 我错了",
    "sadness": "难过 伤心 哭 孤独 委屈 痛苦",
    "surprise": "什么 天哪 不会吧 居然 竟然 真的吗 怎么可能",
}
_STRONG: Final = 2.0
_SURE: Final = frozenset({"gratitude", "remorse", "love", "disgust", "fear", "pride", "relief", "amusement", "grief"})
"""Labels whose words are seldom said without the emotion."""
_WEAK: Final = frozenset({"realization", "approval", "desire", "curiosity"})
"""Labels whose words are mostly said without it."""
_NEGATION = re.compile(r"\b(?:not|no|never|n't|neither|nor|without|hardly)\b(?:\s+\w+){0,2}\s*$")
_APOSTROPHE = re.compile(r"[’`´]")
_CONTRACTIONS = (
    (re.compile(r"\bcan't\b|\bcannot\b"), "can not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"i'd\b"), "i would"),
)


def _vocabulary() -> dict[str, list[tuple[str, float]]]:
    votes: dict[str, list[tuple[str, float]]] = {}
    for label, listed in _ENGLISH.items():
        weight = _STRONG if label in _SURE else 0.5 if label in _WEAK else 1.0
        for phrase in re.findall(r"'([^']+)'|(\S+)", listed):
            votes.setdefault(phrase[0] or phrase[1], []).append((label, weight))
    return votes


_VOTES: Final = _vocabulary()
_WORDS: Final = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, _VOTES), key=len, reverse=True)) + r")\b")
_CHINESE_VOTES: Final = {word: label for label, listed in _CHINESE.items() for word in listed.split()}
_CHINESE_WORDS: Final = re.compile("|".join(sorted(map(re.escape, _CHINESE_VOTES), key=len, reverse=True)))


def guess_emotion(text: str) -> tuple[str, float]:
    """The emotion that most words of a text speak for, with a confidence between 0 and 1."""
    plain = _APOSTROPHE.sub("'", text.lower())
    for pattern, replacement in _CONTRACTIONS:
        plain = pattern.sub(replacement, plain)
    votes: dict[str, float] = {}
    for match in _WORDS.finditer(plain):
        if _NEGATION.search(plain[max(0, match.start() - 30) : match.start()]):
            continue
        for label, weight in _VOTES[match.group()]:
            votes[label] = votes.get(label, 0.0) + weight
    for match in _CHINESE_WORDS.finditer(plain):
        if plain[max(0, match.start() - 1) : match.start()] not in ("不", "没", "别"):
            label = _CHINESE_VOTES[match.group()]
            votes[label] = votes.get(label, 0.0) + _STRONG
    exclaims = len(re.findall(r"[!！]", plain))
    for label in votes:
        if label not in _SURE:
            votes[label] *= 1.0 + 0.3 * min(exclaims, 2)
    if re.search(r"[!！]\s*[?？]|[?？]\s*[!！]|[?？]{2}", plain):
        votes["surprise"] = votes.get("surprise", 0.0) + 1.0
    if not votes:
        return NEUTRAL, 0.5 if not exclaims else 0.35
    ranked = sorted(votes.items(), key=lambda item: (-item[1], item[0]))
    label, weight = ranked[0]
    if weight < 1.0:
        return NEUTRAL, 0.4
    rest = sum(votes.values()) - weight
    return label, round(min(0.9, weight / (weight + rest + 1.0)), 3)


class EmotionRules:
    """Names the emotion of a turn by its words."""

    name = "emotion-rules"
    version = "1"
    fields: frozenset[Field] = frozenset({"emotion"})
    context_turns = 0
    batch = 1024

    def annotate(self, items: Sequence[Item]) -> list[Answer | None]:
        """An emotion for each turn; neutral when no word speaks for one."""
        return [{"emotion": list(guess_emotion(item.text))} for item in items]
