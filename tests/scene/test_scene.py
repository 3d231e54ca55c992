"""A character on stage: what it perceives, what it answers, and what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ruxi.characters import Character
from ruxi.errors import CardError, DataError, MediaError, UsageError
from ruxi.features import FeatureCache
from ruxi.runtime import Delta, Engine, Sampling
from ruxi.scene import Scene
from tests.scene.conftest import MIRA, SceneMaker
from tests.scripted import ScriptedEngine, small_tokenizer
from tests.senses import ColourEyes, as_file, png, senses, wav


def words_of_prompt(engine: Any, index: int = -1) -> str:
    return small_tokenizer().decode(list(engine.asked[index].input_ids), skip_special_tokens=False)


def test_a_picture_and_a_spoken_question_are_perceived_and_answered(make_scene: SceneMaker, tmp_path: Path) -> None:
    scene = make_scene("The sky is blue.")
    reply = scene.say(
        "Look!", image=as_file(tmp_path, "sky.png", png()), audio=as_file(tmp_path, "question.wav", wav())
    )
    assert reply.text == "The sky is blue."
    assert reply.finish_reason == "stop"
    assert [(label.name, label.source) for label in reply.seen] == [("blue", "colour-eyes")]
    assert [(heard.text, heard.language, heard.confidence) for heard in reply.heard] == [("loud", "en", 0.75)]
    assert 0 < reply.timings.perceive <= reply.timings.total
    assert reply.usage.prompt_tokens == len(scene.engine.asked[0].input_ids)  # type: ignore[attr-defined]
    assert reply.usage.completion_tokens == len(small_tokenizer().encode("The sky is blue.").ids)
    prompt = words_of_prompt(scene.engine)
    assert "Mira flies an airship for User." in prompt
    assert "[picture: blue]" in prompt
    assert "loud" in prompt
    assert prompt.index("loud") < prompt.index("Look!")


def test_features_reach_the_engine_by_digest_in_this_turn_and_in_later_ones(make_scene: SceneMaker) -> None:
    scene = make_scene("Aye.", "Still blue.")
    scene.say("Look!", image=png())
    scene.say("And now?")
    digest = scene.dialogue.turns[0].parts[0].media
    engine: Any = scene.engine
    assert [list(media) for media in engine.media] == [[digest], [digest]]
    assert engine.media[1][digest].values.shape == (1, 3)


def test_a_medium_is_looked_at_once(make_scene: SceneMaker) -> None:
    eyes = ColourEyes()
    scene = make_scene(extractors={"image": eyes})
    for _ in range(3):
        scene.say(image=png())
    assert eyes.looked == 1


def test_the_dialogue_keeps_who_said_and_showed_what_on_one_time_axis(make_scene: SceneMaker) -> None:
    scene = make_scene("Aye.")
    scene.greet()
    scene.say("Hark!", audio=wav(seconds=0.5))
    greeting, asked, answered = scene.dialogue.turns
    assert (greeting.speaker, greeting.text) == ("Mira", "Welcome aboard, User!")
    assert (answered.speaker, answered.text) == ("Mira", "Aye.")
    sound, text = asked.parts
    assert (sound.kind, sound.text, text.text) == ("audio", "loud", "Hark!")
    assert sound.start is not None
    assert sound.end == pytest.approx(sound.start + 0.5)
    assert sound.words[0].start == pytest.approx(sound.start + 0.1)
    times = [t for turn in scene.dialogue.turns for t in (turn.start, turn.end)]
    assert times == sorted(times)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("script", "spoken"),
    [
        ("Aye.\nUser: and I say no", "Aye."),
        ("Aye.\nUser：不", "Aye."),
        ("Mira: Aye, captain.\n\n", "Aye, captain."),
        ("Aye.\n\nMira: And more.", "Aye."),
        ("Aye.\nMirage\n", "Aye.\nMirage"),
        ("米拉没来。<|im_start|>user", "米拉没来。"),
        (" \n Aye.\n<START>\nMore", "Aye."),
        ("Mir", "Mir"),
    ],
)
def test_the_character_speaks_for_itself_alone(make_scene: SceneMaker, script: str, spoken: str) -> None:
    scene = make_scene(script)
    stream = scene.stream("Well?")
    pieces = list(stream)
    assert "".join(pieces) == spoken
    assert stream.reply is not None
    assert stream.reply.text == spoken == scene.dialogue.turns[-1].text


def test_a_silent_character_is_asked_again_with_other_dice(make_scene: SceneMaker) -> None:
    scene = make_scene("User: I am you", " ", "Aye.", sampling=Sampling(seed=5))
    assert scene.say("Well?").text == "Aye."
    seeds = [sampling.seed for sampling in scene.engine.samplings]  # type: ignore[attr-defined]
    assert len(set(seeds)) == 3
    assert seeds[0] == 5


def test_a_character_that_stays_silent_leaves_no_empty_turn(make_scene: SceneMaker) -> None:
    scene = make_scene("", engine=ScriptedEngine(""))
    assert scene.say("Well?").text == ""
    assert [turn.speaker for turn in scene.dialogue.turns] == ["User"]


def test_an_interrupted_reply_keeps_what_was_said(make_scene: SceneMaker) -> None:
    scene = make_scene("The wind is turning and the sky grows dark.")
    stream = scene.stream("Talk!")
    said = next(stream) + next(stream) + next(stream)
    stream.close()
    assert stream.reply is not None
    assert (stream.reply.text, stream.reply.finish_reason) == (said, "cancelled")
    assert scene.dialogue.turns[-1].text == said
    assert list(stream) == []
    assert scene.engine.closed == 1  # type: ignore[attr-defined]


def test_speaking_again_ends_a_reply_that_nobody_follows_any_more(make_scene: SceneMaker) -> None:
    scene = make_scene("The wind is turning.", "Aye.")
    next(scene.stream("Talk!"))
    scene.say("Stop!")
    assert [turn.speaker for turn in scene.dialogue.turns] == ["User", "Mira", "User", "Mira"]


class BreakingEngine(ScriptedEngine):
    """Is interrupted from the keyboard after its second token."""

    def generate(self, *arguments: Any) -> Any:
        for count, delta in enumerate(super().generate(*arguments)):
            if count == 2:
                raise KeyboardInterrupt
            yield delta


def test_ctrl_c_in_the_middle_of_the_work_keeps_what_was_said(make_scene: SceneMaker) -> None:
    scene = make_scene(engine=BreakingEngine("The wind is turning."))
    with pytest.raises(KeyboardInterrupt):
        scene.say("Talk!")
    assert "The wind is turning.".startswith(scene.dialogue.turns[-1].text)
    assert scene.dialogue.turns[-1].speaker == "Mira"


def test_undo_takes_back_the_last_exchange_and_spares_the_greeting(make_scene: SceneMaker) -> None:
    scene = make_scene("Aye.")
    scene.greet()
    scene.say("One")
    scene.say("Two")
    assert [turn.text for turn in scene.undo()] == ["Two", "Aye."]
    scene.undo()
    assert [turn.text for turn in scene.dialogue.turns] == ["Welcome aboard, User!"]
    assert scene.undo() == []


def test_retry_gives_another_answer_to_the_same_words(make_scene: SceneMaker) -> None:
    scene = make_scene("Aye.", "Nay.", sampling=Sampling(seed=1))
    scene.say("Well?", image=png())
    reply = scene.retry()
    assert reply.text == "Nay."
    assert [label.name for label in reply.seen] == ["blue"]
    assert [turn.text for turn in scene.dialogue.turns] == ["Well?", "Nay."]
    engine: Any = scene.engine
    assert engine.asked[0].input_ids == engine.asked[1].input_ids
    assert [s.seed for s in engine.samplings] == [1, 2]
    with pytest.raises(UsageError, match="no answer to give anew"):
        make_scene().retry()


def test_the_oldest_turns_go_when_the_history_is_too_long_and_the_persona_stays(make_scene: SceneMaker) -> None:
    engine = ScriptedEngine("Aye, the wind is turning.", context_length=420)
    scene = make_scene(engine=engine, sampling=Sampling(max_tokens=40))
    for number in range(20):
        scene.say(f"This is line {number} of a long talk.")
    last = words_of_prompt(engine)
    assert len(engine.asked[-1].input_ids) <= 420 - 40
    assert "Mira flies an airship" in last
    assert "line 19" in last
    assert "line 0 " not in last
    assert len(scene.dialogue.turns) == 40


def test_a_turn_that_fails_leaves_the_dialogue_as_it_was(make_scene: SceneMaker, tmp_path: Path) -> None:
    scene = make_scene()
    with pytest.raises(UsageError, match="nothing to answer"):
        scene.say("  ")
    with pytest.raises(MediaError, match="no such file"):
        scene.say("Look!", image=tmp_path / "missing.png")
    with pytest.raises(MediaError):
        scene.say(image=as_file(tmp_path, "text.png", b"this is text"))
    with pytest.raises(UsageError, match="cannot take a medium of the kind 'video'"):
        scene.say(video=b"whatever")
    with pytest.raises(UsageError, match="'hangry' is no emotion"):
        scene.say("Hi", emotion="hangry")
    with pytest.raises(DataError, match="do not fit"):
        scene.say("word " * 3000)
    assert scene.dialogue.turns == []


def test_a_wanted_emotion_reaches_the_engine_and_the_turn(make_scene: SceneMaker) -> None:
    scene = make_scene(engine=ScriptedEngine("Aye!", emotion="joy"))
    assert scene.say("We won!", emotion="joy").emotion == "joy"
    assert scene.engine.asked[0].emotion == "joy"  # type: ignore[attr-defined]
    assert scene.dialogue.turns[-1].emotion == "joy"


def test_the_card_speaks_the_language_that_is_asked_for(make_scene: SceneMaker) -> None:
    scene = make_scene("天气很好。", language="zh", user="小王")
    greeting = scene.greet()
    assert greeting is not None
    assert (scene.speaker, greeting.text) == ("米拉", "小王，欢迎！")
    assert scene.dialogue.language == "zh"
    with pytest.raises(CardError, match="no texts in 'fr'"):
        make_scene(language="fr")


def test_names_must_differ(make_scene: SceneMaker) -> None:
    with pytest.raises(UsageError, match="both called 'Mira'"):
        make_scene(user="Mira")


def test_a_character_without_a_greeting_waits(tmp_path: Path) -> None:
    scene = Scene(Character(name="Ada"), ScriptedEngine("Aye."), cache=FeatureCache(tmp_path), extractors=senses())
    assert scene.greet() is None
    assert scene.dialogue.turns == []


def test_broken_unicode_from_a_terminal_does_not_end_the_chat(make_scene: SceneMaker, tmp_path: Path) -> None:
    scene = make_scene(path=tmp_path / "chat.jsonl")
    assert scene.say("caf\udce9").text == "Aye."


def test_another_engine_only_needs_the_protocol() -> None:
    assert isinstance(ScriptedEngine("Aye."), Engine)
    assert Delta("").finish_reason is None
    assert MIRA.call_name == "Mira"
