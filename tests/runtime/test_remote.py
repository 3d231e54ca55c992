"""The engine for servers: what it sends, what it makes of answers, and what it does when servers refuse or fail."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
import wave
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import ruxi
from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Label, Part, Turn
from ruxi.errors import EngineError, UsageError
from ruxi.features import FeatureCache
from ruxi.prompt import ChatFormat, Prompt
from ruxi.runtime import Constraint, Delta, Engine, Sampling
from ruxi.runtime.remote import RemoteEngine
from ruxi.runtime.torch_engine import TorchEngine
from ruxi.weights import require
from tests.evaluation.chat_server import llama_cpp
from tests.runtime.speaking_server import Answer, Body, SpeakingServer, speaking
from tests.scripted import small_tokenizer
from tests.senses import png, senses, wav

MIRA = Character(name="Mira", description="An airship captain.")
PLAIN = Sampling(top_p=1.0, min_p=0.0, repetition_penalty=1.0)
SAID = Answer(("The wind", " is", " turning."))


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def engine(server: SpeakingServer, **options: Any) -> RemoteEngine:
    options = {"tokenizer": small_tokenizer(), "sleep": lambda seconds: None, **options}
    return RemoteEngine(server.url, "m", **options)


def ask(one: Engine, *turns: tuple[str, str] | Turn, **options: Any) -> Prompt:
    given = [t if isinstance(t, Turn) else Turn.of_text(*t) for t in turns or (("User", "What do you see?"),)]
    return one.prompts.build(MIRA, Dialogue(id="d", turns=given), **options)


def deltas(one: Engine, sampling: Sampling = PLAIN, prompt: Prompt | None = None) -> list[Delta]:
    return list(one.generate(prompt or ask(one), {}, sampling))


def text_of(found: list[Delta]) -> str:
    return "".join(delta.text for delta in found)


def in_turn(*answers: Answer) -> Callable[[Body], Answer]:
    waiting = list(answers)
    return lambda body: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def test_a_reply_streams_with_the_servers_own_counts() -> None:
    with speaking(lambda body: SAID) as server:
        found = deltas(engine(server))
    assert [delta.text for delta in found[:3]] == ["The wind", " is", " turning."]
    assert (found[-1].finish_reason, found[-1].prompt_tokens, found[-1].completion_tokens) == ("stop", 77, 4)


def test_the_server_gets_the_prompts_messages_and_the_settings() -> None:
    sampling = Sampling(
        temperature=0.5, top_p=0.9, top_k=7, min_p=0.1, repetition_penalty=1.2, presence_penalty=0.3,
        frequency_penalty=0.4, max_tokens=33, stop=("END",), seed=5, logit_bias={17: -100.0},
    )  # fmt: skip
    with speaking(lambda body: SAID) as server:
        one = engine(server, key="secret")
        prompt = ask(one, ("User", "Ahoy!"), ("Mira", "Aye."), ("User", "Well?"), emotion="joy")
        deltas(one, sampling, prompt)
    (body,) = server.asked
    assert body["messages"] == [{"role": m.role, "content": m.text} for m in prompt.messages]
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user", "system"]
    assert body["stop"] == ["\nUser:", "END"]
    expected = {
        "model": "m", "stream": True, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "seed": 5,
        "repetition_penalty": 1.2, "repeat_penalty": 1.2, "presence_penalty": 0.3, "frequency_penalty": 0.4,
        "max_tokens": 33, "logit_bias": {"17": -100.0}, "path": "/v1/chat/completions",
    }  # fmt: skip
    assert {name: body[name] for name in expected} == expected
    assert server.keys == ["Bearer secret"]


def test_stop_strings_hold_even_if_the_server_ignores_them() -> None:
    with speaking(lambda body: Answer(("Aye.", "\nUs", "er: Hel", "lo"))) as server:
        found = deltas(engine(server))
    assert text_of(found) == "Aye."
    assert found[-1].finish_reason == "stop"


def test_a_reply_that_was_cut_off_by_its_length_says_so() -> None:
    with speaking(lambda body: Answer(("Aye",), finish="length")) as server:
        assert deltas(engine(server))[-1].finish_reason == "length"


def test_a_server_that_does_not_stream_is_understood() -> None:
    whole = {"choices": [{"message": {"content": "Aye."}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}
    with speaking(lambda body: Answer(text=json.dumps(whole))) as server:
        found = deltas(engine(server))
    assert (text_of(found), found[-1].finish_reason, found[-1].prompt_tokens) == ("Aye.", "stop", 5)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_a_busy_server_is_asked_again_after_a_while(status: int) -> None:
    waits: list[float] = []
    with speaking(in_turn(Answer(status=status, text="later", retry_after="7"), Answer(status=status), SAID)) as server:
        assert text_of(deltas(engine(server, sleep=waits.append))) == "The wind is turning."
    assert waits[0] == 7
    assert 1.5 <= waits[1] <= 2.5


def test_a_connection_that_drops_before_the_answer_is_tried_again() -> None:
    with speaking(in_turn(Answer(hang_up=True), SAID)) as server:
        assert text_of(deltas(engine(server))) == "The wind is turning."
    assert len(server.asked) == 2


def test_an_answer_that_breaks_off_is_an_error_that_keeps_what_was_said() -> None:
    with speaking(lambda body: Answer(("The wind",), cut=True)) as server:
        reply = engine(server).generate(ask(engine(server)), {}, PLAIN)
        assert next(reply).text == "The wind"
        with pytest.raises(EngineError, match=r"^http://127\.0\.0\.1.*broke off"):
            list(reply)
    with (
        speaking(lambda body: Answer(("The wind",), finish=None)) as server,
        pytest.raises(EngineError, match="broke off before its end"),
    ):
        deltas(engine(server))


def test_a_fault_within_the_stream_is_an_error() -> None:
    broken = Answer(("Aye",), events=[{"error": {"message": "out of memory"}}])
    with speaking(lambda body: broken) as server, pytest.raises(EngineError, match="out of memory"):
        deltas(engine(server))


def test_no_server_a_silent_server_and_a_refusal_are_told_apart() -> None:
    nobody = RemoteEngine("http://127.0.0.1:9/v1", "m", tokenizer=small_tokenizer(), sleep=lambda seconds: None)
    with pytest.raises(EngineError, match=r"no answer after 3 attempts \(.*refused"):
        deltas(nobody)
    slow = Answer(("Aye", "."), pause=5)
    with speaking(lambda body: slow) as server, pytest.raises(EngineError, match=r"broke off .*timed out"):
        deltas(engine(server, timeout=0.3))
    wrong = Answer(status=401, text="Incorrect API key provided: secret.")
    with speaking(lambda body: wrong) as server:
        with pytest.raises(EngineError, match="401") as error:
            deltas(engine(server, key="secret"))
        assert "secret" not in str(error.value)
        assert len(server.asked) == 1


def test_closing_a_reply_hangs_up() -> None:
    endless = Answer(["word "] * 2000, pause=0.005)
    with speaking(lambda body: endless) as server:
        reply = engine(server).generate(ask(engine(server)), {}, PLAIN)
        next(reply)
        reply.close()
        assert server.hung_up.wait(5)
        assert server.sent < 1000


def test_fields_that_a_server_does_not_know_are_left_out_from_then_on() -> None:
    def strict(body: Body) -> Answer:
        for name in ("top_k", "min_p", "repetition_penalty", "repeat_penalty", "stream_options"):
            if name in body:
                return Answer(status=400, text=f"Unrecognized request argument supplied: {name}")
        if "max_tokens" in body:
            return Answer(status=400, text="'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
        return SAID

    with speaking(strict) as server:
        one = engine(server)
        sampling = Sampling(top_k=4, max_tokens=9)
        assert text_of(deltas(one, sampling)) == "The wind is turning."
        asked = len(server.asked)
        assert text_of(deltas(one, sampling)) == "The wind is turning."
        assert len(server.asked) == asked + 1
        assert server.asked[-1]["max_completion_tokens"] == 9
        assert "temperature" in server.asked[-1]


def test_a_refusal_about_something_else_is_not_answered_with_guesses() -> None:
    with speaking(lambda body: Answer(status=400, text="exceeds the available context size")) as server:
        with pytest.raises(EngineError, match="context size"):
            deltas(engine(server))
        assert len(server.asked) == 1


def test_a_template_that_knows_only_two_roles_gets_them_in_turns() -> None:
    def strict(body: Body) -> Answer:
        roles = [m["role"] for m in body["messages"]]
        if roles[0] != "user" or any(a == b for a, b in pairwise(roles)) or "system" in roles:
            return Answer(status=400, text="Conversation roles must alternate user/assistant/user/assistant/...")
        return SAID

    with speaking(strict) as server:
        one = engine(server)
        prompt = ask(one, ("Mira", "Welcome."), ("User", "Well?"), emotion="joy")
        assert text_of(deltas(one, prompt=prompt)) == "The wind is turning."
        first, greeting, last = server.asked[-1]["messages"]
    assert "airship captain" in first["content"]
    assert greeting == {"role": "assistant", "content": "Welcome."}
    assert last["content"] == "Well?\n\nMira feels joy now."


def test_a_schema_is_passed_on_and_never_silently_dropped() -> None:
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}}
    sampling = Sampling(constraint=Constraint.json_schema(schema))
    with speaking(lambda body: Answer(('{"mood": ', '"calm"}'))) as server:
        assert json.loads(text_of(deltas(engine(server), sampling))) == {"mood": "calm"}
        assert server.asked[0]["response_format"]["json_schema"]["schema"] == schema
        with pytest.raises(EngineError, match="JSON only"):
            engine(server).generate(ask(engine(server)), {}, Sampling(constraint=Constraint.regex("a")))
    with (
        speaking(lambda body: Answer(status=400, text="unknown field response_format")) as server,
        pytest.raises(EngineError, match="response_format"),
    ):
        deltas(engine(server), sampling)


def parts_of(body: Body) -> list[str]:
    return [part["type"] for m in body["messages"] if isinstance(m["content"], list) for part in m["content"]]


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., ruxi.Scene]:
    def make(one: Engine) -> ruxi.Scene:
        return ruxi.Scene(MIRA, one, extractors=senses(), cache=FeatureCache(tmp_path / "features"))

    return make


def test_pictures_and_sounds_are_sent_as_they_are(scene: Callable[..., ruxi.Scene]) -> None:
    with speaking(lambda body: SAID) as server:
        talk = scene(engine(server))
        reply = talk.say("Look and listen!", image=png(), audio=wav())
        talk.say("And now?")
    assert (reply.text, reply.usage.prompt_tokens, reply.usage.completion_tokens) == ("The wind is turning.", 77, 4)
    first, second = server.asked
    assert parts_of(first) == parts_of(second) == ["image_url", "input_audio", "text"]
    picture, sound, words = first["messages"][-1]["content"]
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    red, green, blue = Pillow.open(io.BytesIO(base64.b64decode(data))).convert("RGB").getpixel((5, 5))
    assert blue > 180 > 60 > max(red, green)
    with wave.open(io.BytesIO(base64.b64decode(sound["input_audio"]["data"]))) as file:
        assert file.getframerate() == 16_000
        assert file.getnframes() > 0
    assert words == {"type": "text", "text": "Look and listen!"}


def test_what_a_picture_tells_about_its_place_is_not_sent(scene: Callable[..., ruxi.Scene]) -> None:
    buffer = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x010E] = "at home, 12 Harbour Street"
    Pillow.new("RGB", (3000, 40), (20, 20, 220)).save(buffer, "JPEG", exif=exif)
    with speaking(lambda body: SAID) as server:
        scene(engine(server)).say("Look!", image=buffer.getvalue())
    data = base64.b64decode(server.asked[0]["messages"][-1]["content"][0]["image_url"]["url"].partition(",")[2])
    assert b"Harbour" not in data
    assert max(Pillow.open(io.BytesIO(data)).size) == 1024


def test_a_server_without_eyes_or_ears_is_told_in_words(scene: Callable[..., ruxi.Scene]) -> None:
    def deaf_and_blind(body: Body) -> Answer:
        if "input_audio" in parts_of(body):
            return Answer(status=500, text="audio input is not supported - hint: you may need to provide the mmproj")
        return Answer(status=400, text="no parts here") if parts_of(body) else SAID

    with speaking(deaf_and_blind) as server:
        talk = scene(engine(server))
        assert talk.say("Well?", image=png(), audio=wav()).text == "The wind is turning."
        assert len(server.asked) == 3
        told = server.asked[-1]["messages"][-1]["content"]
        assert "[picture: blue]" in told
        assert "loud" in told or "quiet" in told
        talk.say("And?")
        assert len(server.asked) == 4
        deaf = scene(engine(server, send_media=False))
        deaf.say("Well?", image=png())
        assert parts_of(server.asked[-1]) == []


def test_several_speakers_keep_their_names_beside_pictures() -> None:
    shown = Turn(speaker="Jo", parts=[Part(kind="image", media="a" * 64, labels=[Label(name="storm", score=0.9)])])
    with speaking(lambda body: SAID) as server:
        one = engine(server).with_media(lambda sha256: png())
        deltas(one, prompt=ask(one, ("Sam", "Ahoy."), shown))
    *_, sam, jo = server.asked[0]["messages"]
    assert sam["content"] == "Sam: Ahoy."
    assert [part["type"] for part in jo["content"]] == ["text", "image_url"]
    assert jo["content"][0]["text"] == "Jo:"


def test_servers_open_by_their_url(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [{"id": "big", "max_model_len": 2048}, {"id": "small", "meta": {"n_ctx": 512}}]
    monkeypatch.setattr("ruxi.runtime.remote._pinned_tokenizer", small_tokenizer)
    with speaking(lambda body: SAID, models) as server:
        first, named = ruxi.load(server.url), ruxi.load("small", engine=server.url)
        assert (first.name, first.context_length) == ("big", 2048)
        assert (named.name, named.context_length) == ("small", 512)
        assert text_of(deltas(named)) == "The wind is turning."
        assert isinstance(named, Engine)
        with pytest.raises(UsageError, match="server's to choose"):
            ruxi.load("small", engine=server.url, threads=2)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert ruxi.load("small", engine="remote").name == "small"
    with speaking(lambda body: SAID, None) as server:
        assert ruxi.load("any", engine=server.url).name == "any"
        with pytest.raises(UsageError, match="does not list its models"):
            ruxi.load(server.url)
    for wrong in ("http://", "http://host:notaport/v1", "https://user:pass@host/v1"):
        with pytest.raises(UsageError):
            ruxi.load("any", engine=wrong)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with pytest.raises(UsageError, match="unencrypted") as error:
        ruxi.load("any", engine="http://example.org/v1")
    assert "secret" not in str(error.value)


def test_without_pretrained_parts_bytes_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUXI_HOME", str(tmp_path))
    with speaking(lambda body: SAID) as server:
        one = RemoteEngine(server.url, "m", context_length=400)
        assert one.context_length == 1200
        prompt = ask(one, ("User", "Was für ein Wetter! 天气很好。"))
        assert text_of(deltas(one, prompt=prompt)) == "The wind is turning."
    assert server.asked[0]["messages"][-1]["content"] == "Was für ein Wetter! 天气很好。"


@pytest.fixture
def scoring(llama_folder: Path) -> Iterator[tuple[SpeakingServer, TorchEngine]]:
    """A server that repeats texts with the probabilities of a real model."""
    local = ruxi.load(str(llama_folder), dtype="float32")
    assert isinstance(local, TorchEngine)

    def echo(body: Body) -> Answer:
        encoded = small_tokenizer().encode(body["prompt"], add_special_tokens=False)
        ids = tuple(encoded.ids)
        whole = Prompt(ids, (0,) * len(ids), (False, *(True,) * (len(ids) - 1)))
        scores = [None, *map(float, local.log_likelihood([whole], {})[0])]
        logprobs = {"text_offset": [begin for begin, _ in encoded.offsets], "token_logprobs": scores}
        return Answer(text=json.dumps({"choices": [{"text": body["prompt"], "logprobs": logprobs}]}))

    with speaking(echo) as server:
        yield server, local


def test_scores_are_those_of_the_servers_model(scoring: tuple[SpeakingServer, TorchEngine]) -> None:
    server, local = scoring
    remote = engine(server, chat_format=ChatFormat.chatml())
    context = ask(remote, ("User", "What do you see?"))
    prompts = [remote.prompts.answered(context, text) for text in ("A storm.", "A ship and a cat.")]
    prompts.append(remote.prompts.answered(context, "Aye, the wind is turning.", tokens=5))
    expected = local.log_likelihood(prompts, {})
    for found, wanted in zip(remote.log_likelihood(prompts, {}), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_scores_need_a_server_that_gives_them_and_a_known_format() -> None:
    completion = {"choices": [{"text": " more", "logprobs": {"content": []}}]}
    with speaking(lambda body: Answer(text=json.dumps(completion))) as server:
        one = engine(server, chat_format=ChatFormat.chatml())
        prompt = one.prompts.answered(ask(one), "Aye.")
        with pytest.raises(EngineError, match="does not give the probabilities"):
            one.log_likelihood([prompt], {})
        with pytest.raises(EngineError, match="chat format"):
            engine(server).log_likelihood([prompt], {})


def test_chats_of_one_engine_do_not_wait_for_each_other() -> None:
    together = threading.Barrier(3, timeout=10)

    def meet(body: Body) -> Answer:
        together.wait()
        return SAID

    with speaking(meet) as server:
        one = engine(server)
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(text_of(deltas(one)))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == ["The wind is turning."] * 3


@pytest.mark.weights
@pytest.mark.slow
def test_a_real_server_plays_a_role(tmp_path: Path, scene: Callable[..., ruxi.Scene]) -> None:
    pytest.importorskip("xllamacpp")
    (gguf,) = require("smollm2-135m-instruct").glob("*.gguf")
    with llama_cpp(gguf) as url:
        one = ruxi.load(url)
        assert one.context_length == 4096
        talk = scene(one)
        # It has no eyes and says so with a 500; the words of the picture have to do.
        began = time.monotonic()
        reply = talk.say("What is the colour?", image=png(), sampling=Sampling(max_tokens=8, seed=1))
        assert time.monotonic() - began < 60
        assert reply.text
        assert reply.usage.prompt_tokens > 40
        assert 1 <= reply.usage.completion_tokens <= 8
        prompt = ask(one)
        greedy = Sampling(temperature=0, max_tokens=6)
        assert text_of(deltas(one, greedy, prompt)) == text_of(deltas(one, greedy, prompt))
        schema = {
            "type": "object", "properties": {"mood": {"enum": ["calm", "angry"]}}, "required": ["mood"],
            "additionalProperties": False,
        }  # fmt: skip
        said = text_of(deltas(one, Sampling(constraint=Constraint.json_schema(schema), max_tokens=40), prompt))
        assert json.loads(said)["mood"] in ("calm", "angry")
        with pytest.raises(EngineError, match="does not give the probabilities"):
            RemoteEngine(url, one.name, chat_format=ChatFormat.chatml()).log_likelihood(
                [one.prompts.answered(prompt, "Aye.")], {}
            )
