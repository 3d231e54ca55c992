"""Tasks with models whose ability is known, on small data of our own."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ruxi.characters import Character
from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, Label, Part, Turn
from ruxi.dialogues.emotions import EMOTIONS
from ruxi.dialogues.importers import import_dataset, load_importer
from ruxi.errors import DataError
from ruxi.evaluation import EvaluationData, Planned, TaskResult, evaluate, make_task
from ruxi.evaluation.tasks.weather import named_weather
from ruxi.prompt import Prompt
from ruxi.runtime import Feelings, Media
from tests.evaluation.stage import (
    SKIES,
    ReplyingEngine,
    ScoringEngine,
    SharedSpace,
    knows_the_answers,
    player,
    weather_set,
    write_set,
)
from tests.scripted import ScriptedEngine
from tests.senses import png, wav


def run(tmp_path: Path, engine: ScriptedEngine, data: EvaluationData, task: str, **options: object) -> TaskResult:
    plan = [Planned(make_task(task, options), data)]
    return evaluate(player(engine, tmp_path), {"name": engine.name}, plan, tmp_path / "out", replace=True).tasks[0]


def value(result: TaskResult, metric: str) -> float:
    found = result.metric(metric).value
    assert found is not None
    return found


def written(folder: Path, *dialogues: Dialogue, media: Sequence[bytes] = ()) -> EvaluationData:
    with DatasetWriter(folder, name="small") as writer:
        for medium in media:
            writer.add_medium(medium)
        for dialogue in dialogues:
            writer.add(dialogue)
    return EvaluationData(folder)


def feeling(identifier: str, text: str, emotion: str, split: str = "test") -> Dialogue:
    turns = [Turn.of_text("Ana", "Well?"), Turn.of_text("Bo", text, emotion=emotion, intent="statement")]
    return Dialogue(id=identifier, turns=turns, split=split)  # type: ignore[arg-type]


class FeelingEngine(ScoringEngine):
    """Has heads that go by one word."""

    def __init__(self, words: Mapping[str, str]) -> None:
        super().__init__(lambda context, reply: -1.0)
        self._words = words

    def perceive(self, prompts: Sequence[Prompt], media: Media) -> list[Feelings]:
        found: list[Feelings] = []
        for prompt in prompts:
            text = self._texts(prompt)[0]
            emotion = next(label for word, label in self._words.items() if word in text)
            found.append({"emotion": {label: float(label == emotion) for label in EMOTIONS}, "intent": {}})
        return found

    def similarity(self, media: object, sentences: Sequence[str]) -> None:
        return None


def test_emotions_are_named_by_heads_in_the_seven_classes(tmp_path: Path) -> None:
    data = written(
        tmp_path / "set",
        feeling("a", "Hooray!", "excitement"),
        feeling("b", "Oh no!", "grief"),
        feeling("c", "Hm.", "neutral"),
        feeling("t1", "Hooray!", "joy", "train"),
        feeling("t2", "Oh no!", "sadness", "train"),
    )
    # Another label of the same class is as right as the label itself.
    engine = FeelingEngine({"Hooray": "gratitude", "Oh no": "remorse", "Hm": "anger"})
    result = run(tmp_path, engine, data, "emotion_text")
    assert result.items == 3
    assert value(result, "accuracy") == pytest.approx(2 / 3)
    assert result.metric("accuracy").floors["TF-IDF"] == pytest.approx(2 / 3)
    assert result.metric("accuracy").floors["majority"] == pytest.approx(1 / 3)
    confusion = result.details["confusion"]
    assert confusion["labels"] == ["anger", "joy", "neutral", "sadness"]
    assert confusion["counts"][2] == [1, 0, 0, 0]


@pytest.mark.parametrize("shuffled", [False, True])
def test_labels_that_are_known_are_all_right_and_shuffled_ones_fall_to_chance(tmp_path: Path, shuffled: bool) -> None:
    emotions = ["anger", "disgust", "fear", "joy", "sadness"] * 40
    labels = random.Random(5).sample(emotions, len(emotions)) if shuffled else emotions
    said = zip(emotions, labels, strict=True)
    data = written(tmp_path / "set", *(feeling(f"{n}", f"So {felt}.", named) for n, (felt, named) in enumerate(said)))
    accuracy = run(tmp_path, FeelingEngine({word: word for word in emotions}), data, "emotion_text").metric("accuracy")
    assert accuracy.low is not None
    assert accuracy.high is not None
    if shuffled:
        assert accuracy.low <= 1 / 5 <= accuracy.high < 0.3
    else:
        assert (accuracy.low, accuracy.value) == (1.0, 1.0)


def test_models_without_heads_choose_words_and_their_favourite_word_does_not_decide(tmp_path: Path) -> None:
    data = written(tmp_path / "set", feeling("a", "Hooray!", "joy"), feeling("b", "Oh no!", "sadness"))

    def score(context: str, reply: str) -> float:
        likes = 5.0 if reply == "neutral" else 0.0
        knows = ("Hooray" in context and reply == "happy") or ("Oh no" in context and reply == "sad")
        return likes + knows - 9.0

    result = run(tmp_path, ScoringEngine(score), data, "emotion_text")
    assert value(result, "accuracy") == 1.0
    forced = run(tmp_path, FeelingEngine({"": "anger"}), data, "emotion_text", by="likelihood")
    assert value(forced, "accuracy") < 1.0
    asked = run(tmp_path, ScoringEngine(score), data, "emotion_text", by="heads")
    assert asked.skipped is not None
    assert "no heads" in asked.skipped


def test_voices_and_faces_are_other_tasks_than_words(tmp_path: Path) -> None:
    loud, face = wav(0.9), png(220, 20, 20)
    with DatasetWriter(tmp_path / "set", name="small") as writer:
        heard = Part(kind="audio", media=writer.add_medium(loud), labels=[Label(name="angry", source="small")])
        seen = Part(kind="image", media=writer.add_medium(face), labels=[Label(name="angry", source="small")])
        for number, part in enumerate((heard, seen)):
            writer.add(Dialogue(id=str(number), turns=[Turn(speaker="User", parts=[part], emotion="anger")]))
    data = EvaluationData(tmp_path / "set")
    asked: list[str] = []

    class Listening(FeelingEngine):
        def perceive(self, prompts: Sequence[Prompt], media: Media) -> list[Feelings]:
            asked.extend(self._texts(prompt)[0] for prompt in prompts)
            return super().perceive(prompts, media)

        def extractor_names(self) -> Mapping[str, str]:
            return {"image": "eyes", "audio": "ears"}

    engine = Listening({"loud": "anger", "red": "anger"})
    for task in ("emotion_voice", "emotion_face"):
        result = run(tmp_path, engine, data, task)
        assert (result.items, value(result, "unweighted accuracy")) == (1, 1.0)
    # What the data set says of a medium never stands in the prompt; what the extractors say does.
    assert len(asked) == 2
    assert not any("angry" in text for text in asked)
    with pytest.raises(DataError, match="no turn with words"):
        run(tmp_path, engine, data, "emotion_text")


def test_intents_are_named(tmp_path: Path) -> None:
    data = written(tmp_path / "set", feeling("a", "Hooray!", "joy"))
    result = run(tmp_path, ScoringEngine(lambda c, r: -1.0 - (r != "statement") * ("Hooray" in c)), data, "intent")
    assert value(result, "accuracy") == 1.0


def test_the_worked_example_counts_likely_answers_and_spoken_ones(tmp_path: Path) -> None:
    data = weather_set(tmp_path / "set")

    class Sees(ReplyingEngine):
        def __init__(self) -> None:
            super().__init__(lambda context: "Take an umbrella, it rains." if "picture: green" in context else "Hm.")
            answers = {"blue": "It is cloudy.", "green": "It is raining.", "red": "The sun is shining."}
            self._score = lambda context, reply: (
                -9.0 + any(f"picture: {colour}" in context and reply == answer for colour, answer in answers.items())
            )

    result = run(tmp_path, Sees(), data, "weather")
    # The two red pictures look the same to these eyes: one of them is called shine wrongly.
    assert value(result, "accuracy") == pytest.approx(3 / 4)
    assert value(result, "accuracy of replies") == pytest.approx(1 / 4)
    assert value(result, "replies that name no weather") == pytest.approx(3 / 4)
    assert not any(metric.name == "space accuracy" for metric in result.metrics)
    asked: list[str] = []
    blind = run(tmp_path, ScoringEngine(lambda c, r: asked.append(c) or -1.0), data, "weather", generate=False)
    # Neither the label nor the caption nor the name of the file gives the answer away.
    assert not any(kind in text for text in asked for kind in SKIES)
    assert value(blind, "accuracy") == pytest.approx(1 / 4)
    assert [metric.name for metric in blind.metrics] == ["accuracy by plain likelihood", "accuracy", "macro F1"]


def test_the_worked_example_is_asked_through_the_shared_space_once_a_picture(tmp_path: Path) -> None:
    data = weather_set(tmp_path / "set")
    with DatasetWriter(tmp_path / "set", name="weather", mode="append") as writer:
        for dialogue in data.all:
            again = [*dialogue.turns, Turn.of_text("User", "How is the weather?"), Turn.of_text("Mira", "See above.")]
            writer.add(dialogue.model_copy(update={"id": f"{dialogue.id}-again", "turns": again}))
    engine = SharedSpace(lambda first, sentence: float(sentence == "It is raining."))
    result = run(tmp_path, engine, EvaluationData(tmp_path / "set"), "weather", generate=False)
    assert result.items == 4
    assert value(result, "space accuracy") == pytest.approx(1 / 4)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("It's a bit cloudy, but no rain yet.", "cloudy"),
        ("Drizzle, my friend.", "rain"),
        ("What a bright day!", "shine"),
        ("The sun is rising over the sea.", "sunrise"),
        ("Dawn breaks.", "sunrise"),
        ("I cannot say.", None),
    ],
)
def test_the_first_weather_that_a_reply_names_counts(text: str, kind: str | None) -> None:
    assert named_weather(text) == kind


def test_captions_are_found_by_likelihood_and_in_the_shared_space(tmp_path: Path) -> None:
    colours = ("red", "green", "blue")
    with DatasetWriter(tmp_path / "set", name="captions") as writer:
        for number, colour in enumerate(colours):
            picture = writer.add_medium(png(*(220 if place == number else 20 for place in range(3))))
            shown = Turn(speaker="User", parts=[Part(kind="image", media=picture)])
            cast = [CastMember(name="User", kind="user"), CastMember(name="Observer")]
            turns = [shown, Turn.of_text("Observer", f"All {colour}.")]
            writer.add(Dialogue(id=colour, cast=cast, turns=turns, split="validation"))
    data = EvaluationData(tmp_path / "set")

    def score(context: str, reply: str) -> float:
        return -2.0 + any(f"picture: {colour}" in context and colour in reply for colour in colours)

    result = run(tmp_path, ScoringEngine(score), data, "caption", candidates=3)
    assert value(result, "hits@1") == 1.0
    assert not any(metric.name.startswith("space") for metric in result.metrics)
    spaced = run(tmp_path, SharedSpace(lambda first, sentence: float("red" in sentence)), data, "caption", candidates=3)
    assert value(spaced, "space hits@1") == value(spaced, "recall@1 of all") == pytest.approx(1 / 3)
    with pytest.raises(DataError, match="3 pictures are answered with a caption, 4 are needed"):
        run(tmp_path, ScoringEngine(score), data, "caption", candidates=4)


@pytest.mark.parametrize(("knows", "accuracy", "circular"), [(True, 1.0, 1.0), (False, 1 / 3, 0.0)])
def test_a_favourite_letter_is_found_out_by_rotating_the_choices(
    tmp_path: Path, knows: bool, accuracy: float, circular: float
) -> None:
    quiz = tmp_path / "quiz.jsonl"
    lines = [{"question": f"{n}?", "choices": [f"no {n}", f"yes {n}", f"maybe {n}"], "answer": 1} for n in range(4)]
    quiz.write_text("".join(json.dumps(line) + "\n" for line in lines))
    import_dataset(load_importer("multiple-choice"), quiz, tmp_path / "set")

    def score(context: str, reply: str) -> float:
        return 0.0 if (f"{reply}. yes" in context if knows else reply == "A") else -3.0

    result = run(tmp_path, ScoringEngine(score), EvaluationData(tmp_path / "set"), "multiple_choice")
    assert value(result, "accuracy") == pytest.approx(accuracy)
    assert value(result, "circular accuracy") == pytest.approx(circular)
    assert result.metric("circular accuracy").floors["chance"] == pytest.approx(1 / 27)


def test_a_wrong_answer_in_a_quiz_is_reported(tmp_path: Path) -> None:
    quiz = tmp_path / "quiz.jsonl"
    question = {"question": "Who?", "choices": ["Mira", "Bo"]}
    lines = [{**question, "answer": answer} for answer in ("B", "Mira", "1", "C", 7)]
    quiz.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = import_dataset(load_importer("multiple-choice"), quiz, tmp_path / "set")
    assert (report.dialogues, report.lost) == (3, 2)
    answers = [(dialogue.model_extra or {})["answer"] for dialogue in EvaluationData(tmp_path / "set").all]
    assert answers == [1, 0, 1]


def test_a_loss_of_ability_along_the_dialogue_is_a_slope(tmp_path: Path) -> None:
    cast = [CastMember(name="human", kind="user"), CastMember(name="Mira"), CastMember(name="Bo")]
    dialogues = []
    for number in range(6):
        role = ("Mira", "Bo")[number % 2]
        turns = [
            Turn.of_text(role, f"{number}.{index}!") if index % 2 else Turn.of_text("human", f"Say {number}.{index}")
            for index in range(10)
        ]
        dialogues.append(Dialogue(id=f"d{number}", cast=cast, turns=turns, split="test"))
    data = written(tmp_path / "set", *dialogues)

    def forgets(context: str, reply: str) -> float:
        last = context.rpartition("Say ")[2].split("<|im_end|>")[0] if "Say " in context else "0.0"
        number, index = last.split(".")
        return -1.0 if reply == f"{number}.{int(index) + 1}!" and int(index) < 8 else -3.0

    result = run(tmp_path, ScoringEngine(forgets), data, "drift", candidates=3)
    assert value(result, "hits@1 early") > 0.9
    assert value(result, "hits@1 late") < 0.6
    assert value(result, "hits@1 slope a turn") < -0.03
    assert [point["turn"] for point in result.details["by turn"]] == [1, 3, 5, 7, 9]
    with pytest.raises(DataError, match="no dialogue has 12 turns"):
        run(tmp_path, ScoringEngine(forgets), data, "drift", least_turns=12)


def test_a_character_keeps_to_its_card_or_contradicts_it(tmp_path: Path) -> None:
    facts = {"one": "I am a pilot.", "two": "I love birds."}
    with DatasetWriter(tmp_path / "set", name="people") as writer:
        for identifier, fact in facts.items():
            writer.add_character(identifier, Character(name="Person", description=fact))
            cast = [CastMember(name="Person", character=identifier)]
            writer.add(Dialogue(id=identifier, cast=cast, turns=[Turn.of_text("Person", "Hello.")], split="test"))
    data = EvaluationData(tmp_path / "set")
    keeps = run(tmp_path, ScoringEngine(lambda c, r: -2.0 + (r in c)), data, "persona")
    assert (value(keeps, "kept over negated"), value(keeps, "kept over another's")) == (1.0, 1.0)
    contradicts = run(tmp_path, ScoringEngine(lambda c, r: -2.0 + (" not " in r) * ("pilot" in c)), data, "persona")
    assert value(contradicts, "kept over negated") < 0.5


def test_a_character_knows_its_name_or_only_its_title(tmp_path: Path) -> None:
    cards = {"one": "Captain Mira Voss", "two": "Captain James"}
    with DatasetWriter(tmp_path / "set", name="people") as writer:
        for identifier, name in cards.items():
            writer.add_character(identifier, Character(name=name, description="Sails the wind."))
            cast = [CastMember(name=name, character=identifier)]
            writer.add(Dialogue(id=identifier, cast=cast, turns=[Turn.of_text(name, "Hello.")], split="test"))
    data = EvaluationData(tmp_path / "set")
    for reply, known in {
        "I am Captain Mira Voss.": 0.5,
        "Call me mira!": 0.5,
        "A captain.": 0.0,
        "Mira, not James.": 1.0,
    }.items():
        result = run(tmp_path, ReplyingEngine(lambda context, reply=reply: reply), data, "introduction")
        assert value(result, "says its name") == known


def test_guards_see_what_a_character_must_not_do(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=3)
    sayings = {
        "Question 0": "Aye.\nhuman: And then?",
        "Question 1": "As an AI language model, I have no airship.",
        "Question 2": "round and round and round and round and round",
    }
    engine = ReplyingEngine(lambda context: next(said for asked, said in sayings.items() if asked in context))
    result = run(tmp_path, engine, data, "guards")
    assert value(result, "leaves the role") == pytest.approx(1 / 3)
    assert value(result, "repeats itself") > 0.1
    assert value(result, "says nothing") == 0.0
    assert result.metric("leaves the role").floors["true replies"] == 0.0
    assert set(result.details["distinct over all"]) == {"1", "2", "3"}


def test_speaking_for_the_user_is_seen_even_where_no_stop_string_catches_it(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=3)
    result = run(tmp_path, ReplyingEngine(lambda context: "Aye.\n**User**: I love you!"), data, "guards")
    assert value(result, "speaks for others") == 1.0
    own = run(tmp_path, ReplyingEngine(lambda context: "Note: the wind turns."), data, "guards")
    assert value(own, "speaks for others") == 0.0


def test_latency_counts_tokens_and_seconds(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=3)
    result = run(tmp_path, ReplyingEngine(lambda context: "Aye, the wind is turning."), data, "latency")
    assert value(result, "tokens spoken") > 3
    assert value(result, "tokens read") > 50
    assert 0 <= value(result, "seconds to first words, median") <= value(result, "seconds to the end, median")


def test_a_voice_that_can_be_told_from_others_is_recognised(tmp_path: Path) -> None:
    voices = {"Mira": "Aye, the helm and the wind!", "Bo": "Verily, my good fellow, quite so.", "Ana": "lol no way omg"}
    dialogues = [
        Dialogue(
            id=f"{role}-{split}-{number}",
            cast=[CastMember(name="human", kind="user"), CastMember(name=role)],
            turns=[Turn.of_text("human", f"Be {role} {number}."), Turn.of_text(role, f"{voice} {number}")],
            split=split,  # type: ignore[arg-type]
        )
        for role, voice in voices.items()
        for split, count in (("train", 5), ("test", 2))
        for number in range(count)
    ]
    data = written(tmp_path / "set", *dialogues)
    role_of = ReplyingEngine(lambda context: next(voice for role, voice in voices.items() if f"Be {role}" in context))
    result = run(tmp_path, role_of, data, "speaker_identification")
    assert value(result, "accuracy") == 1.0
    assert result.metric("accuracy").floors == {"true replies": 1.0, "chance": pytest.approx(1 / 3)}
    alike = run(tmp_path, ReplyingEngine(lambda context: "I am Mira and Bo and Ana."), data, "speaker_identification")
    assert value(alike, "accuracy") == pytest.approx(1 / 3)
    untaught = written(tmp_path / "other", *(d for d in dialogues if d.split == "test"))
    with pytest.raises(DataError, match="pool"):
        run(tmp_path, role_of, untaught, "speaker_identification")


def test_same_role_distractors_are_the_same_characters_words(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=12)
    task = make_task("next_reply_same_role", {"candidates": 4})
    for item in task.items(data, 0):
        assert all(text.startswith((item.speaker, "Is it")) for text in item.candidates)
        assert item.candidates[item.gold] == item.dialogue.turns[-1].text
    assert (
        value(run(tmp_path, ScoringEngine(knows_the_answers()), data, "next_reply_same_role", candidates=4), "hits@1")
        == 1
    )
