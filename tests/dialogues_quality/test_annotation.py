"""Labels come with source and confidence, nothing is asked twice, and a killed run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ruxi.dialogues import CastMember, Dialogue, Label, Part, Turn, Word
from ruxi.dialogues.annotation import (
    AnswerCache,
    ClassifierAnnotator,
    EmotionRules,
    ExtractorAnnotator,
    IntentRules,
    Item,
    LanguageAnnotator,
    SetAnnotator,
    guess_emotion,
    guess_intent,
)
from ruxi.dialogues.annotation.remote import RemoteAnnotator
from ruxi.dialogues.intents import INTENTS
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError, UsageError
from ruxi.files import sha256_of_bytes
from ruxi.media import Medium
from tests.serving import running

from .conftest import LINES, dialogue, picture, sound, text

MakeSet = Callable[..., Path]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerCache]:
    made = AnswerCache(tmp_path / "answers.sqlite")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("said", "emotion", "intent"),
    [
        ("Thank you so much for the soup!", "gratitude", "thanks"),
        ("I am not happy.", "neutral", "statement"),
        ("How dare you, you liar!", "anger", "statement"),
        ("I'm so sorry, it was my fault.", "remorse", "apology"),
        ("Where is the key?", "neutral", "question"),
        ("Please close the door.", "neutral", "request"),
        ("Good morning, captain.", "neutral", "greeting"),
        ("对不起，我错了。", "remorse", "apology"),
        ("你要去哪里？", "neutral", "question"),
        ("我好害怕。", "fear", "statement"),
    ],
)
def test_rules(said: str, emotion: str, intent: str) -> None:
    assert guess_emotion(said)[0] == emotion
    assert guess_intent(said)[0] == intent
    assert set(INTENTS) >= {guess_intent(said)[0]}


def test_an_answer_follows_a_question() -> None:
    assert guess_intent("On the northern quay.", "Where is it?")[0] == "answer"


def test_labels_carry_source_and_confidence_and_given_ones_stay(
    make_set: MakeSet, cache: AnswerCache, tmp_path: Path
) -> None:
    folder = make_set(
        [
            dialogue(
                1,
                ("User", "Thank you so much for the soup and the bread."),
                Turn.of_text("Mira", "Hello, my friends!", emotion="pride"),
            )
        ]
    )
    annotator = SetAnnotator(
        DialogueSet.open(folder), [LanguageAnnotator(), EmotionRules(), IntentRules()], cache, least=0.6
    )
    report = annotator.run(tmp_path / "out")
    one, two = DialogueSet.open(tmp_path / "out").get("1").turns
    assert (one.emotion, one.intent, one.parts[0].language) == ("gratitude", "thanks", "en")
    assert (two.emotion, two.intent) == ("pride", "greeting")
    assert one.model_extra is not None
    notes = {note["field"]: note for note in one.model_extra["annotations"]}
    assert notes["emotion"]["source"] == "emotion-rules"
    assert notes["emotion"]["basic"] == "joy"
    assert 0 < notes["emotion"]["score"] < 1
    assert report.dialogues == 1
    assert DialogueSet.open(tmp_path / "out").get("1").language == "en"


def test_doubtful_labels_are_noted_but_not_set(make_set: MakeSet, cache: AnswerCache, tmp_path: Path) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]))])
    SetAnnotator(DialogueSet.open(folder), [EmotionRules()], cache, least=0.9).run(tmp_path / "out")
    turn = DialogueSet.open(tmp_path / "out").get("1").turns[0]
    assert turn.emotion is None
    assert turn.model_extra is not None
    assert turn.model_extra["annotations"][0]["field"] == "emotion"


def test_a_classifier_learns_what_it_is_shown() -> None:
    def labelled(number: int) -> Dialogue:
        glad = Turn.of_text("A", f"The harvest feast number {number} was splendid", emotion="joy")
        sad = Turn.of_text("B", f"The old lighthouse burnt down in year {number}", emotion="sadness")
        return Dialogue(id=str(number), turns=[glad, sad])

    classifier = ClassifierAnnotator("emotion", map(labelled, range(30)))
    answers = classifier.annotate([Item("a", "What a splendid harvest"), Item("b", "the lighthouse burnt")])
    assert [answer["emotion"][0] for answer in answers if answer] == ["joy", "sadness"]
    assert classifier.version != ClassifierAnnotator("emotion", map(labelled, range(31))).version
    with pytest.raises(DataError, match="too few"):
        ClassifierAnnotator("intent", map(labelled, range(30)))


class Seen:
    """What a test's extractor finds."""

    labels = (Label(name="seashore", score=0.8), Label(name="boat", score=0.05))
    text = "Good morning"
    words = (Word(text="Good", start=0.1, end=0.2), Word(text="morning", start=0.2, end=0.4))
    language = "en"
    language_probability = 0.9


class Extractor:
    """Counts what it is asked."""

    version = "1"

    def __init__(self, name: str, modality: str) -> None:
        self.name = name
        self.modality = modality
        self.asked: list[str] = []

    def extract(self, medium: Medium) -> Seen:
        self.asked.append(medium.sha256)
        return Seen()


def test_media_get_transcripts_and_labels_once_each(make_set: MakeSet, cache: AnswerCache, tmp_path: Path) -> None:
    media = [picture(), sound(), sound(pitch=220)[:30]]
    names = [sha256_of_bytes(one) for one in media]
    heard = Turn(speaker="Mira", parts=[Part(kind="audio", media=names[1], start=5.0)])
    shown = Turn(speaker="User", parts=[text("See?"), Part(kind="image", media=names[0])])
    broken = Turn(speaker="User", parts=[Part(kind="audio", media=names[2])])
    folder = make_set([dialogue(1, shown, heard, broken), dialogue(2, shown, heard)], media=media)
    ear, eye = Extractor("ear", "speech"), Extractor("eye", "image")
    annotators = [ExtractorAnnotator(ear), ExtractorAnnotator(eye), IntentRules()]
    report = SetAnnotator(DialogueSet.open(folder), annotators, cache).run(tmp_path / "out")
    assert (ear.asked, eye.asked) == ([names[1]], [names[0]])
    assert report.unanswered["ear"] == 1
    for one in DialogueSet.open(tmp_path / "out"):
        image, voice = one.turns[0].parts[1], one.turns[1].parts[0]
        assert [(label.name, label.source) for label in image.labels] == [("seashore", "eye")]
        assert (voice.text, voice.language, voice.words[0].start) == ("Good morning", "en", 5.1)
        assert one.turns[1].intent == "greeting"

    again = SetAnnotator(DialogueSet.open(tmp_path / "out"), annotators, cache).run(tmp_path / "again")
    assert (ear.asked, eye.asked) == ([names[1]], [names[0]])
    assert sum(again.asked.values()) == 0


class Model(ThreadingHTTPServer):
    """An OpenAI-compatible server that labels by a rule of its own and can misbehave."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.failures: list[int] = []
        self.formats = {"json_schema", "json_object", None}
        self.answer: Callable[[dict[str, Any]], str] = label
        self.delay = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def label(body: dict[str, Any]) -> str:
    content = body["messages"][1]["content"]
    if isinstance(content, list):
        return json.dumps({"labels": [{"name": "harbour", "confidence": 0.9}]})
    turns = json.loads(content)["turns"]
    return json.dumps(
        {
            "answers": [
                {
                    "number": turn["number"],
                    "emotion": "joy" if "!" in turn["text"] else "neutral",
                    "intent": "statement",
                    "confidence": 0.8,
                }
                for turn in turns
            ]
        }
    )


class _Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(body)
        self.server.keys.append(self.headers.get("authorization"))
        time.sleep(self.server.delay)
        wanted = body.get("response_format", {}).get("type")
        status = self.server.failures.pop(0) if self.server.failures else 200
        if status == 200 and wanted not in self.server.formats:
            status = 400
        reply = {"choices": [{"message": {"content": self.server.answer(body)}}]} if status == 200 else {"error": "no"}
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Model]:
    with running(Model()) as made:
        yield made


def remote(server: Model, **settings: Any) -> RemoteAnnotator:
    return RemoteAnnotator(server.url, "judge", {"emotion", "intent"}, sleep=lambda seconds: None, **settings)


ITEMS = [Item(str(n), "What a day!" if n % 2 else "It is noon.", "Mira", (("User", "Well?"),)) for n in range(5)]


def test_a_server_labels_a_batch_with_one_request(server: Model) -> None:
    answers = remote(server, key="secret").annotate(ITEMS)
    assert [answer["emotion"] for answer in answers if answer] == [["neutral", 0.8], ["joy", 0.8]] * 2 + [
        ["neutral", 0.8]
    ]
    assert len(server.requests) == 1
    assert server.keys == ["Bearer secret"]
    schema = server.requests[0]["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert "gratitude" in json.dumps(schema)


def test_failures_are_tried_again_and_older_servers_are_understood(server: Model) -> None:
    server.failures = [503, 429]
    server.formats = {None}
    server.answer = lambda body: f"<think>hm</think>```json\n{label(body)}\n```"
    one = remote(server)
    assert None not in one.annotate(ITEMS)
    assert len(server.requests) == 5
    one.annotate(ITEMS)
    assert len(server.requests) == 6


def test_what_does_not_fit_is_asked_again_once_and_then_left(server: Model) -> None:
    def odd(body: dict[str, Any]) -> str:
        answers = json.loads(label(body))["answers"]
        answers[0]["emotion"] = "rapture"
        answers[1]["number"] = "one"
        return json.dumps({"answers": [*answers[:4], {"number": 99}, "?"]})

    server.answer = odd
    assert [answer is None for answer in remote(server).annotate(ITEMS)] == [True, True, False, False, True]
    assert len(server.requests) == 2
    server.answer = lambda body: "I would rather not."
    assert remote(server).annotate(ITEMS) == [None] * 5


def test_a_server_that_stays_away_is_named_in_one_line(server: Model) -> None:
    server.failures = [500] * 5
    with pytest.raises(DataError, match="no answer after 5 attempts"):
        remote(server).annotate(ITEMS)
    server.failures = [401]
    with pytest.raises(DataError, match="answers 401"):
        remote(server).annotate(ITEMS)


def test_keys_do_not_travel_in_the_open() -> None:
    with pytest.raises(UsageError, match="unencrypted"):
        RemoteAnnotator("http://203.0.113.9/v1", "judge", {"emotion"}, key="secret")
    with pytest.raises(UsageError, match="no http address"):
        RemoteAnnotator("ftp://host/v1", "judge", {"emotion"})
    with pytest.raises(UsageError, match="password"):
        RemoteAnnotator("https://me:secret@host/v1", "judge", {"emotion"})


def test_pictures_are_sent_small_and_labelled(
    server: Model, make_set: MakeSet, cache: AnswerCache, tmp_path: Path
) -> None:
    image = picture()
    folder = make_set(
        [dialogue(1, Turn(speaker="User", parts=[Part(kind="image", media=sha256_of_bytes(image))]), ("Mira", "Oh."))],
        media=[image],
    )
    annotator = RemoteAnnotator(server.url, "eye", {"labels"})
    SetAnnotator(DialogueSet.open(folder), [annotator], cache).run(tmp_path / "out")
    part = DialogueSet.open(tmp_path / "out").get("1").turns[0].parts[0]
    assert [(one.name, one.score, one.source) for one in part.labels] == [("harbour", 0.9, "remote:eye")]
    assert server.requests[0]["messages"][1]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")


def test_the_estimate_counts_only_what_is_not_known(
    server: Model, make_set: MakeSet, cache: AnswerCache, tmp_path: Path
) -> None:
    folder = make_set([dialogue(n, ("User", f"{LINES[0]} {n}"), ("Mira", f"{LINES[1]} {n}")) for n in range(30)])
    annotator = remote(server)
    work = SetAnnotator(DialogueSet.open(folder), [annotator], cache)
    estimate = annotator.estimate(
        (target.item for target in work.open_questions(annotator)), price_in=2.0, price_out=8.0
    )
    assert (estimate.items, estimate.calls) == (60, 3)
    work.run(tmp_path / "out")
    sent = sum(len(json.dumps(request["messages"])) for request in server.requests) / 4
    assert 0.4 < estimate.input_tokens / sent < 2.5
    assert estimate.price is not None
    assert estimate.price > 0
    assert list(work.open_questions(annotator)) == []


def test_a_killed_run_goes_on_where_it_was(server: Model, make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(n, ("User", f"{LINES[0]} {n}"), ("Mira", f"{LINES[1]} {n}")) for n in range(100)])
    server.delay = 0.3
    command = [
        Path(sys.executable).with_name("ruxi"), "data", "annotate", folder, tmp_path / "out",
        "--fields", "emotion,intent",
        "--url", server.url, "--model", "judge", "--yes", "--json", "--cache", tmp_path / "answers.sqlite",
    ]  # fmt: skip
    environment = {**os.environ, "OPENAI_API_KEY": ""}
    process = subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while len(server.requests) < 4 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out").exists()
    time.sleep(0.5)
    before, server.delay = len(server.requests), 0.0
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["cached"]["remote:judge"] >= 40
    assert answer["asked"]["remote:judge"] + answer["cached"]["remote:judge"] == 200
    assert len(server.requests) - before <= 8
    assert "requests, about" in done.stderr
    assert all(turn.intent == "statement" for one in DialogueSet.open(tmp_path / "out") for turn in one.turns)


def test_nobody_is_charged_without_consent(server: Model, make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]))])
    command = [
        Path(sys.executable).with_name("ruxi"), "data", "annotate", folder, tmp_path / "out",
        "--fields", "emotion",
        "--url", server.url, "--model", "judge", "--cache", tmp_path / "answers.sqlite",
    ]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert "Add --yes" in done.stderr
    assert server.requests == []


def test_cast_is_untouched(make_set: MakeSet, cache: AnswerCache, tmp_path: Path) -> None:
    one = dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]), note="kept")
    one.cast.append(CastMember(name="Ghost", kind="narrator"))
    folder = make_set([one])
    SetAnnotator(DialogueSet.open(folder), [LanguageAnnotator()], cache).run(tmp_path / "out")
    found = DialogueSet.open(tmp_path / "out").get("1")
    assert found.cast == one.cast
    assert found.model_extra == {"note": "kept"}
