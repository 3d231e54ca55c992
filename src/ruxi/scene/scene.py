"""`Scene`: a character on stage with one user.

It perceives what the user shows and plays, lets the engine answer in the character's role, and keeps the dialogue.
A turn belongs to the dialogue (and to its file, if it has one) as soon as it was understood, before the answer
begins; an answer that is interrupted is kept as far as it was spoken.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from ruxi.characters import Character
from ruxi.characters.macros import expand
from ruxi.dialogues import CastMember, Dialogue, Part, Turn
from ruxi.dialogues.emotions import EMOTIONS
from ruxi.errors import RuxiError, UsageError
from ruxi.features import Extractor, FeatureCache
from ruxi.media import Kind, Limits, MediaFolder
from ruxi.media.limits import DEFAULT_LIMITS
from ruxi.media.sources import Source
from ruxi.runtime import Engine, Sampling, with_media
from ruxi.scene.perception import Perception, heard_in
from ruxi.scene.reply import Reply
from ruxi.scene.saved_chat import SavedChat
from ruxi.scene.speaking import Heading, ReplyStream, speak

SOURCE = "ruxi"


class Scene:
    """A conversation between a user and a character.

    Args:
        character: Who is on stage.
        engine: What speaks for it, see `ruxi.load`.
        user: What the user is called.
        language: BCP 47 code of the card's texts to use; None takes them as they are.
        sampling: How replies are drawn unless a turn says otherwise.
        path: Where the chat is kept from the first turn on, see `save`; None keeps it in memory.
        extractors: Extractors by kind of medium, in place of those that the engine names.
        cache: Where features are kept; by default in the store.
        limits: Which media are refused.

    Raises:
        UsageError: User and character have the same name.
        CardError: The card has no texts in that language.
        DataError: Another chat is saved at `path`.
    """

    def __init__(
        self,
        character: Character,
        engine: Engine,
        *,
        user: str = "User",
        language: str | None = None,
        sampling: Sampling | None = None,
        path: str | Path | None = None,
        extractors: Mapping[str, str | Extractor] | None = None,
        cache: FeatureCache | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.character = character if language is None else character.in_language(language)
        self.engine = engine
        self.user = user
        self.sampling = sampling or Sampling()
        if user == self.speaker:
            raise UsageError(f"user and character are both called {user!r}", where="user", remedy="Give another name.")
        self.dialogue = Dialogue(
            id=f"chat-{uuid.uuid4().hex[:12]}",
            cast=[CastMember(name=user, kind="user"), CastMember(name=self.speaker)],
            source=SOURCE,
            language=language,
        )
        self._perception = Perception(extractors or engine.extractor_names(), cache=cache, limits=limits)
        # Media of a chat that is not saved lie in a private folder as long as the scene lives.
        passing = tempfile.mkdtemp(prefix="ruxi-scene-")
        weakref.finalize(self, shutil.rmtree, passing, ignore_errors=True)
        self._keep_media_in(MediaFolder(passing, limits=limits))
        self._saved: SavedChat | None = None
        self._stream: ReplyStream | None = None
        self._retries = 0
        self._began = time.monotonic()
        if path is not None:
            self.save(path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        engine: Engine,
        *,
        sampling: Sampling | None = None,
        extractors: Mapping[str, str | Extractor] | None = None,
        cache: FeatureCache | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Self:
        """Go on with a saved chat; further turns are saved there.

        Args:
            path: What was given to `save`.
            engine: See the class; the others likewise.
            sampling: See the class.
            extractors: See the class.
            cache: See the class.
            limits: See the class.

        Raises:
            DataError: There is no chat, or it is damaged.
        """
        saved = SavedChat(path)
        dialogue, character = saved.read()
        user = next((member.name for member in dialogue.cast if member.kind == "user"), "User")
        scene = cls(character, engine, user=user, sampling=sampling, extractors=extractors, cache=cache, limits=limits)
        scene.dialogue = dialogue
        scene._saved = saved
        scene._keep_media_in(saved.media)
        scene._began -= max((turn.end or turn.start or 0.0 for turn in dialogue.turns), default=0.0)
        return scene

    @property
    def speaker(self) -> str:
        """The character's name in the dialogue."""
        return self.character.call_name

    @property
    def path(self) -> Path | None:
        """The file that keeps the chat, or None."""
        return self._saved.file if self._saved else None

    def greet(self) -> Reply | None:
        """Let the character open the scene with the greeting of its card; None when the card has none."""
        text = expand(self.character.first_mes, char=self.speaker, user=self.user).strip()
        if not text:
            return None
        now = self._now()
        self._add(Turn.of_text(self.speaker, text, start=now, end=now))
        return Reply(text=text)

    def say(
        self,
        text: str | None = None,
        image: Source | None = None,
        audio: Source | None = None,
        video: Source | None = None,
        *,
        emotion: str | None = None,
        sampling: Sampling | None = None,
    ) -> Reply:
        """Speak to the character, show or play something, and hear its answer.

        Args:
            text: What the user says.
            image: A picture that the user shows: path, bytes, data URL or https URL.
            audio: A sound that the user plays, or says.
            video: A video that the user shows.
            emotion: The emotion that the reply should carry, one of the 28 GoEmotions labels.
            sampling: How this reply is drawn.

        Raises:
            UsageError: Nothing was given, an emotion is unknown, or the engine cannot take a medium.
            MediaError: A medium is refused.
            DataError: The words are too long for the engine, or the chat cannot be saved.

        After an error the dialogue is as before.
        """
        return self.stream(text, image, audio, video, emotion=emotion, sampling=sampling).finish()

    def stream(
        self,
        text: str | None = None,
        image: Source | None = None,
        audio: Source | None = None,
        video: Source | None = None,
        *,
        emotion: str | None = None,
        sampling: Sampling | None = None,
    ) -> ReplyStream:
        """The same as `say`, but the answer can be followed while it is spoken.

        Returns:
            The pieces of the reply, one after another; `reply` holds the whole after the last one. Closing it
            interrupts the character, which keeps what it has said.
        """
        self._settle()
        check_emotion(emotion)
        given: tuple[tuple[Kind, Source | None], ...] = (("image", image), ("audio", audio), ("video", video))
        if not (text and text.strip()) and not any(source for _, source in given):
            raise UsageError("there is nothing to answer", remedy="Give a text, a picture, a sound or a video.")
        began = time.monotonic()
        start = self._now()
        shown = [self._perception.open(kind, source, start=start) for kind, source in given if source]
        parts = [self._perception.perceive(one.medium) for one in shown]
        perceived = time.monotonic() - began
        for one in shown:
            self._media.add(one.data)
        if text and text.strip():
            # A terminal may hand over bytes that are no UTF-8 as lone surrogates.
            words = text.strip().encode("utf-8", "replace").decode()
            parts.append(Part(kind="text", text=words))
        end = max([self._now(), *(part.end for part in parts if part.end is not None)])
        self._add(Turn(speaker=self.user, parts=parts, start=start, end=end))
        self._retries = 0
        try:
            return self._answer(parts, emotion, sampling, began, perceived)
        except RuxiError:
            self._cut(len(self.dialogue.turns) - 1)
            raise

    def retry(self, *, emotion: str | None = None, sampling: Sampling | None = None) -> Reply:
        """Take back the last answer and let the character give another one.

        Raises:
            UsageError: The user has not said anything yet.
        """
        return self.stream_retry(emotion=emotion, sampling=sampling).finish()

    def stream_retry(self, *, emotion: str | None = None, sampling: Sampling | None = None) -> ReplyStream:
        """The same as `retry`, but the answer can be followed while it is spoken."""
        self._settle()
        check_emotion(emotion)
        last = self._last_of_user()
        if last is None:
            raise UsageError("there is no answer to give anew", remedy="Say something first.")
        self._cut(last + 1)
        self._retries += 1
        return self._answer(self.dialogue.turns[last].parts, emotion, sampling, time.monotonic(), 0.0)

    def undo(self) -> list[Turn]:
        """Take back the last thing that the user said, with the answer to it.

        Returns:
            The turns that were taken back; none when the user has not said anything.
        """
        self._settle()
        last = self._last_of_user()
        return [] if last is None else self._cut(last)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Keep the chat in a file, and every turn from now on.

        Args:
            path: A `.jsonl` file, or a folder in which it is called `dialogues.jsonl`. Beside it lie the character
                (`characters/`) and the media (`media/`), as in a data set.
            overwrite: Whether another chat may be replaced.

        Returns:
            The file.

        Raises:
            DataError: Another chat is saved there.
        """
        self._settle()
        if self._saved is not None and SavedChat(path).file.absolute() == self._saved.file.absolute():
            return self._saved.file
        saved = SavedChat.create(path, overwrite=overwrite)
        for turn in self.dialogue.turns:
            for part in turn.parts:
                if part.media is not None:
                    saved.media.add(self._media.path(part.media))
        member = next(member for member in self.dialogue.cast if member.name == self.speaker)
        member.character = saved.write_character(self.character)
        saved.write(self.dialogue)
        self._saved = saved
        self._keep_media_in(saved.media)
        return saved.file

    def _keep_media_in(self, media: MediaFolder) -> None:
        """The chat's media lie there; an engine that wants them as they are makes each ready once."""
        self._media, self._speaking = media, with_media(self.engine, media.read)

    def _answer(
        self,
        parts: list[Part],
        emotion: str | None,
        sampling: Sampling | None,
        began: float,
        perceived: float,
    ) -> ReplyStream:
        sampling = sampling or self.sampling
        if sampling.seed is not None:
            sampling = replace(sampling, seed=sampling.seed + self._retries)
        prompt = self.engine.prompts.build(
            self.character,
            self.dialogue,
            speaker=self.speaker,
            user=self.user,
            reserve=min(sampling.max_tokens, self.engine.context_length // 4),
            emotion=emotion,
        )
        heading = Heading(
            seen=tuple(label for part in parts if part.kind in ("image", "video") for label in part.labels),
            heard=tuple(heard for part in parts if (heard := heard_in(part)) is not None),
            perceive=perceived,
            began=began,
        )
        own = (self.speaker, self.character.name)
        others = [member.name for member in self.dialogue.cast if member.name not in own]
        media = self._perception.features(prompt.slots, self._media)
        pieces = speak(self._speaking, prompt, media, sampling, own, others)
        self._stream = ReplyStream(pieces, heading, self._keep)
        return self._stream

    def _keep(self, reply: Reply, first_word: float) -> None:
        """Take a reply into the dialogue; a silent one leaves no turn."""
        if not reply.text:
            return
        end = self._now()
        start = min(end, max(round(first_word - self._began, 3), self.dialogue.turns[-1].end or 0.0))
        turn = Turn.of_text(self.speaker, reply.text, emotion=reply.emotion, start=start, end=end)
        if reply.finish_reason != "stop":
            turn = Turn.model_validate({**turn.model_dump(), "finish_reason": reply.finish_reason})
        self._add(turn)

    def _settle(self) -> None:
        """End a reply that is still being spoken."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _add(self, turn: Turn) -> None:
        self.dialogue.turns.append(turn)
        self._write()

    def _cut(self, length: int) -> list[Turn]:
        removed = self.dialogue.turns[length:]
        del self.dialogue.turns[length:]
        self._write()
        return removed

    def _write(self) -> None:
        if self._saved is not None:
            self._saved.write(self.dialogue)

    def _last_of_user(self) -> int | None:
        indices = [index for index, turn in enumerate(self.dialogue.turns) if turn.speaker == self.user]
        return indices[-1] if indices else None

    def _now(self) -> float:
        """The time on the dialogue's axis, in seconds; never before the end of what was said."""
        elapsed = round(time.monotonic() - self._began, 3)
        return max([elapsed, *(turn.end for turn in self.dialogue.turns[-1:] if turn.end is not None)])


def check_emotion(emotion: str | None) -> None:
    """Refuse what is not one of the 28 labels.

    Raises:
        UsageError: It is another word.
    """
    if emotion is not None and emotion not in EMOTIONS:
        raise UsageError(
            f"{emotion!r} is no emotion that is known", where="emotion", remedy=f"Known: {', '.join(EMOTIONS)}."
        )
