"""The single prompt builder: training examples and live prompts come out of the same lines.

Decisions:
- Every piece (header, words, footer) is tokenised on its own, so that a turn has the same tokens wherever it stands;
  the key-value cache of a chat can then be reused, and training sees what the stage sees.
- Words of cards and people never become control tokens: they are encoded with special tokens switched off.
- Messages for engines with a tokenizer of their own come from the same pieces, so they say the same.
- When the history is too long the oldest turns go, several at a time so that the prefix stays the same for a while;
  the persona never goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from tokenizers import Tokenizer

from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Part, Turn
from ruxi.errors import DataError
from ruxi.prompt.chat_format import ChatFormat
from ruxi.prompt.parts import pieces_of_turn
from ruxi.prompt.persona import note_words, persona_words
from ruxi.prompt.types import PERSONA_TURN, MediaSlot, Message, MessagePart, Prompt

Targets = Literal["all", "last", "none"]

_TURNS_DROPPED_AT_ONCE = 4


@dataclass(frozen=True)
class _Piece:
    """Tokens of one turn with the share of them that the character speaks, and the message that they say."""

    ids: tuple[int, ...]
    turn: int
    spoken: tuple[bool, ...]
    message: Message | None = None

    @classmethod
    def silent(cls, ids: tuple[int, ...], turn: int, message: Message | None = None) -> _Piece:
        return cls(ids, turn, (False,) * len(ids), message)


class PromptBuilder:
    """Turns a character and a dialogue into tokens and media slots.

    Args:
        tokenizer: The language model's tokenizer.
        chat_format: How the language model marks who speaks.
        context_length: Longest prompt with reply, in tokens.
        describe_media: Whether transcripts, captions and labels stand in the text beside the features.
        persona_tokens: Longest persona, in tokens; longer ones are cut at a line or word. None: no limit.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        chat_format: ChatFormat,
        *,
        context_length: int,
        describe_media: bool = True,
        persona_tokens: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.chat_format = chat_format
        self.context_length = context_length
        self.describe_media = describe_media
        self.persona_tokens = persona_tokens
        self._words_tokenizer = _without_control_tokens(tokenizer)
        self._encode_words = lru_cache(maxsize=4096)(self._encode_words_now)
        self._encode_markup = lru_cache(maxsize=64)(self._encode_markup_now)
        self._beginning = lru_cache(maxsize=64)(self._beginning_now)

    def with_options(
        self,
        *,
        context_length: int | None = None,
        describe_media: bool | None = None,
        persona_tokens: int | None = None,
    ) -> PromptBuilder:
        """The same builder with other limits; the tokenizer, and what it has encoded, are shared."""
        other = copy(self)
        if context_length is not None:
            other.context_length = context_length
        if describe_media is not None:
            other.describe_media = describe_media
        if persona_tokens is not None:
            other.persona_tokens = persona_tokens
        return other

    @property
    def end_of_turn_ids(self) -> tuple[int, ...]:
        """The tokens that close the character's turn; the first of them ends a reply."""
        return self._encode_markup(self.chat_format.end_of_turn)

    def build(
        self,
        character: Character,
        dialogue: Dialogue,
        *,
        speaker: str | None = None,
        user: str | None = None,
        reply: bool = True,
        reserve: int = 0,
        emotion: str | None = None,
        targets: Targets = "all",
    ) -> Prompt:
        """Tokens for a dialogue as the character sees it.

        Args:
            character: Who replies.
            dialogue: What was said until now.
            speaker: The character's name among the dialogue's speakers; by default its call name.
            user: What the character calls the person it talks with; by default the cast's first user, or "User".
            reply: Open the character's next turn at the end (live), or stop after the last turn (training).
            reserve: Tokens to keep free for the reply.
            emotion: The emotion that the reply should carry.
            targets: Which of the character's turns are marked in `loss_mask`.

        Returns:
            The prompt; it never exceeds `context_length - reserve` tokens.

        Raises:
            DataError: Persona and last turn alone are too long.
        """
        speaker = speaker or character.call_name
        user = user or user_of(dialogue, speaker)
        named = len({turn.speaker for turn in dialogue.turns} - {speaker}) > 1
        persona = self._system(persona_words(character, dialogue, user))
        note = note_words(character, user, emotion) if reply else ""
        ending = list(self._opening(len(dialogue.turns), note)) if reply else []
        turns = [self._turn(turn, index, speaker, named) for index, turn in enumerate(dialogue.turns)]

        room = self.context_length - reserve - len(persona.ids) - sum(len(piece.ids) for piece in ending)
        first = _first_turn_that_fits([len(piece.ids) for piece in turns], room)
        if room < 0 or (turns and first == len(turns)):
            longest = len(turns[-1].ids) if turns else 0
            raise DataError(
                f"persona ({len(persona.ids)} tokens) and last turn ({longest}) do not fit into "
                f"{self.context_length - reserve} tokens",
                where=f"dialogue {dialogue.id!r}",
                remedy="Shorten them, or raise the context length.",
            )
        pieces = [persona, *_marked(turns[first:], targets), *ending]
        return Prompt(
            input_ids=tuple(i for piece in pieces for i in piece.ids),
            turn_ids=tuple(piece.turn for piece in pieces for _ in piece.ids),
            loss_mask=tuple(spoken for piece in pieces for spoken in piece.spoken),
            slots=tuple(_slots(dialogue, first)),
            first_turn=first,
            stop=_stop_strings(dialogue, speaker, user),
            emotion=emotion,
            messages=tuple(piece.message for piece in pieces if piece.message is not None),
        )

    def build_question(self, told: str) -> Prompt:
        """Tokens after which the user speaks for the first time.

        Args:
            told: The system message.
        """
        system = self._system(told)
        opening = self._encode_markup(self.chat_format.user[0])
        return Prompt(
            input_ids=system.ids + opening,
            turn_ids=(PERSONA_TURN,) * len(system.ids) + (0,) * len(opening),
            loss_mask=(False,) * (len(system.ids) + len(opening)),
        )

    def answered(self, prompt: Prompt, text: str, *, tokens: int | None = None) -> Prompt:
        """A prompt that is open for a reply, with this reply in it, in the tokens that `build` would give it.

        Args:
            prompt: Built with `reply=True`; it is longer than `context_length` with the reply, if need be.
            text: The reply's words.
            tokens: Keep so many tokens of the reply; None keeps all, with the end of the turn.

        Returns:
            The longer prompt; the reply alone is marked in its `loss_mask`.
        """
        words = self._encode_words(text)
        spoken = (words + self.end_of_turn_ids)[:tokens]
        said = self._beginning(text, len(spoken)) if len(spoken) < len(words) else text
        turn = prompt.turn_ids[-1]
        message = Message("assistant", (MessagePart(said),), turn, marked=True, whole=len(spoken) > len(words))
        return replace(
            prompt,
            input_ids=prompt.input_ids + spoken,
            turn_ids=prompt.turn_ids + (turn,) * len(spoken),
            loss_mask=(False,) * len(prompt.input_ids) + (True,) * len(spoken),
            messages=(*(replace(earlier, marked=False) for earlier in prompt.messages), message),
        )

    def _system(self, words: str) -> _Piece:
        ids = self._encode_words(words)
        if self.persona_tokens is not None and len(ids) > self.persona_tokens:
            ids = ids[: self.persona_tokens]
            words = self._beginning(words, self.persona_tokens)
        header, footer = self.chat_format.system or self.chat_format.user
        return _Piece.silent(
            self._encode_markup(self.chat_format.start + header) + ids + self._encode_markup(footer),
            PERSONA_TURN,
            Message("system", (MessagePart(words),), PERSONA_TURN),
        )

    def _turn(self, turn: Turn, index: int, speaker: str, named: bool) -> _Piece:
        pieces = pieces_of_turn(turn, describe_media=self.describe_media)
        parts = tuple(MessagePart(words, _slot(part, index)) for words, part in pieces)
        words = "\n".join(words for words, _ in pieces)
        if turn.speaker != speaker:
            header, footer = self.chat_format.user
            if named:
                words = f"{turn.speaker}: {words}"
            return _Piece.silent(
                self._encode_markup(header) + self._encode_words(words) + self._encode_markup(footer),
                index,
                Message("user", parts, index, name=turn.speaker if named else None),
            )
        header, footer = self.chat_format.assistant
        opening = self._encode_markup(header)
        end = self.end_of_turn_ids
        after = self._encode_markup(footer[len(footer.rstrip()) :])
        spoken = self._encode_words(words) + end
        return _Piece(
            opening + spoken + after,
            index,
            (False,) * len(opening) + (True,) * len(spoken) + (False,) * len(after),
            Message("assistant", parts, index, marked=True),
        )

    def _opening(self, index: int, note: str) -> Iterator[_Piece]:
        if note:
            header, footer = self.chat_format.system or self.chat_format.user
            yield _Piece.silent(
                self._encode_markup(header) + self._encode_words(note) + self._encode_markup(footer),
                index,
                Message("system", (MessagePart(note),), index),
            )
        yield _Piece.silent(self._encode_markup(self.chat_format.assistant[0]), index)

    def _beginning_now(self, words: str, tokens: int) -> str:
        """What the first tokens of a text say."""
        offsets = self._words_tokenizer.encode(words, add_special_tokens=False).offsets
        return words[: offsets[tokens - 1][1]] if tokens else ""

    def _encode_words_now(self, text: str) -> tuple[int, ...]:
        return tuple(self._words_tokenizer.encode(text, add_special_tokens=False).ids)

    def _encode_markup_now(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)


def _without_control_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, to which control tokens are words like others; they share the vocabulary in memory."""
    words = Tokenizer(tokenizer.model)
    words.normalizer, words.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    words.post_processor, words.decoder = tokenizer.post_processor, tokenizer.decoder
    for _, token in sorted(tokenizer.get_added_tokens_decoder().items()):
        add = words.add_special_tokens if token.special else words.add_tokens
        add([token])
    words.encode_special_tokens = True
    return words


def user_of(dialogue: Dialogue, speaker: str) -> str:
    """What the person is called to whom a speaker talks."""
    people = [member.name for member in dialogue.cast if member.kind == "user"]
    others = people or [turn.speaker for turn in dialogue.turns if turn.speaker != speaker]
    return others[0] if others else "User"


def _first_turn_that_fits(lengths: list[int], room: int) -> int:
    """Index of the oldest turn that stays; `len(lengths)` when not even the last one fits."""
    first = len(lengths)
    while first > 0 and lengths[first - 1] <= room:
        first -= 1
        room -= lengths[first]
    if 0 < first < len(lengths):
        rounded = -(-first // _TURNS_DROPPED_AT_ONCE) * _TURNS_DROPPED_AT_ONCE
        return min(rounded, len(lengths) - 1)
    return first


def _marked(turns: list[_Piece], targets: Targets) -> list[_Piece]:
    spoken = [index for index, piece in enumerate(turns) if any(piece.spoken)]
    kept = {"all": spoken, "last": spoken[-1:], "none": []}[targets]
    return [piece if index in kept else _unmarked(piece) for index, piece in enumerate(turns)]


def _unmarked(piece: _Piece) -> _Piece:
    message = piece.message and replace(piece.message, marked=False)
    return replace(piece, spoken=(False,) * len(piece.ids), message=message)


def _slots(dialogue: Dialogue, first: int) -> Iterator[MediaSlot]:
    for index, turn in enumerate(dialogue.turns[first:], start=first):
        for part in turn.parts:
            slot = _slot(part, index)
            if slot is not None:
                yield slot


def _slot(part: Part | None, turn: int) -> MediaSlot | None:
    if part is None or part.media is None:
        return None
    return MediaSlot(part.kind, part.media, turn, part.start, part)


def _stop_strings(dialogue: Dialogue, speaker: str, user: str) -> tuple[str, ...]:
    names = {user, *(member.name for member in dialogue.cast), *(turn.speaker for turn in dialogue.turns)}
    return tuple(f"\n{name}:" for name in sorted(names - {speaker}) if name)
