"""Many chats on one engine: they share passes and what they have read, and none harms another."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ruxi.dialogues import Turn
from ruxi.errors import EngineError
from ruxi.runtime import Sampling
from ruxi.runtime.onnx.decoder import Decoder, Read, Result
from ruxi.runtime.onnx.engine import OnnxEngine
from ruxi.runtime.onnx.memory import Slot
from tests.runtime.onnx.conftest import MEDIA, Pair, ask, tokens_of
from tests.runtime.talk import GREEDY, dialogue, seeing

Opened = Callable[..., OnnxEngine]
Pairs = Callable[..., Pair]

LONG = replace(GREEDY, max_tokens=400)


class Passes:
    """What the decoder was asked to read: the positions of each pass, chat by chat."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.blocks: list[int] = []
        self.steps: list[int] = []
        self._hold = threading.Event()
        self._hold.set()
        read, step = Decoder.read, Decoder.step

        def counted_read(decoder: Decoder, slot: Slot, one: Read) -> Result:
            self.blocks.append(len(one.ids))
            return read(decoder, slot, one)

        def counted_step(decoder: Decoder, slots: list[Slot], reads: list[Read]) -> list[Result]:
            self._hold.wait()
            self.steps.append(len(slots))
            return step(decoder, slots, reads)

        monkeypatch.setattr(Decoder, "read", counted_read)
        monkeypatch.setattr(Decoder, "step", counted_step)

    def hold(self) -> None:
        """Let no chat speak until `go_on`."""
        self._hold.clear()

    def go_on(self) -> None:
        self._hold.set()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    return Passes(monkeypatch)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("settings", [{}, {"guidance": {}}, {"fusion": {"kind": "prefix"}}], ids=str)
def test_chats_at_once_say_what_each_says_alone(pairs: Pairs, opened: Opened, passes: Passes, settings: dict) -> None:
    fast = opened(pairs(**settings), slots=5)
    prompts = [
        ask(fast, seeing() if index % 2 else dialogue(("User", "What do you see? " * (index + 1))))
        for index in range(8)
    ]
    samplings = [replace(GREEDY, max_tokens=10 + 7 * index) for index in range(8)]
    alone = [tokens_of(fast, *pair, MEDIA) for pair in zip(prompts, samplings, strict=True)]
    found: dict[int, list[int]] = {}

    def talk(index: int) -> None:
        for _ in range(3):
            found[index] = tokens_of(fast, prompts[index], samplings[index], MEDIA)
            assert found[index] == alone[index]

    threads = [threading.Thread(target=talk, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[index] for index in range(8)] == alone
    assert max(passes.steps) == 5


def test_a_new_chat_joins_those_that_are_speaking(pairs: Pairs, opened: Opened, passes: Passes) -> None:
    fast = opened(pairs())
    first = fast.generate(ask(fast, seeing()), MEDIA, LONG)
    next(first)
    assert len(tokens_of(fast, ask(fast, dialogue(("User", "Aye?"))), GREEDY)) == 24
    first.close()
    assert 2 in passes.steps


def test_scoring_goes_on_beside_a_reply(pairs: Pairs, opened: Opened) -> None:
    fast = opened(pairs())
    talk = seeing()
    talk.turns.append(Turn.of_text("Mira", "The wind is turning."))
    prompt = ask(fast, talk, reply=False, targets="last")
    alone = fast.log_likelihood([prompt], MEDIA)
    reply = fast.generate(ask(fast, seeing()), MEDIA, LONG)
    next(reply)
    np.testing.assert_allclose(fast.log_likelihood([prompt], MEDIA)[0], alone[0], atol=1e-4)
    assert next(reply).token_ids
    reply.close()


def test_another_chat_with_the_same_character_does_not_read_the_persona_again(
    pairs: Pairs, opened: Opened, passes: Passes
) -> None:
    fast = opened(pairs())
    first, second = (ask(fast, dialogue(("User", words))) for words in ("Aye?", "What ship?"))
    for sampling in (GREEDY, Sampling(max_tokens=3)):
        tokens_of(fast, first, sampling)
        passes.blocks.clear()
        tokens_of(fast, second, sampling)
        assert sum(passes.blocks) < len(second.input_ids) / 3
        # What the first chat has read is still there, so that it can go on.
        passes.blocks.clear()
        tokens_of(fast, first, sampling)
        assert sum(passes.blocks) < len(first.input_ids) / 3


def test_chats_that_begin_at_once_read_their_persona_once(pairs: Pairs, opened: Opened, passes: Passes) -> None:
    fast = opened(pairs())
    prompts = [ask(fast, dialogue(("User", words))) for words in ("Aye?", "What ship?", "A storm?", "A cat?")]
    replies = [fast.generate(prompt, {}, GREEDY) for prompt in prompts]
    for reply in replies:
        list(reply)
    assert sum(passes.blocks) < 2 * len(prompts[0].input_ids)


def test_the_conversation_unused_for_longest_is_forgotten(pairs: Pairs, opened: Opened, passes: Passes) -> None:
    fast = opened(pairs(), slots=2)
    prompts = [fast.prompts.build(_character(name), dialogue(("User", "Aye?"))) for name in ("Ada", "Bo", "Cy")]
    for prompt in prompts:
        tokens_of(fast, prompt)
    passes.blocks.clear()
    tokens_of(fast, prompts[2])
    tokens_of(fast, prompts[1])
    assert sum(passes.blocks) < len(prompts[1].input_ids)
    passes.blocks.clear()
    tokens_of(fast, prompts[0])
    assert sum(passes.blocks) > len(prompts[0].input_ids) / 2


def _character(name: str) -> object:
    from ruxi.characters import Character

    return Character(name=name, system_prompt=f"{name} " * 40, description="A captain.")


def test_closing_a_reply_frees_its_slot_before_the_next_token(pairs: Pairs, opened: Opened, passes: Passes) -> None:
    fast = opened(pairs(), slots=1)
    reply = fast.generate(ask(fast, seeing()), MEDIA, LONG)
    next(reply)
    passes.hold()
    spoken = len(passes.steps)
    reply.close()
    passes.go_on()
    tokens = tokens_of(fast, ask(fast, dialogue(("User", "Aye?"))), replace(GREEDY, max_tokens=2))
    assert len(tokens) == 2
    assert len(passes.steps) <= spoken + 1 + 1
    assert list(reply) == []


def test_a_reply_that_nobody_holds_any_more_stops(pairs: Pairs, opened: Opened, passes: Passes) -> None:
    fast = opened(pairs(), slots=1)
    fast.generate(ask(fast, seeing()), MEDIA, LONG)
    gc.collect()
    assert len(tokens_of(fast, ask(fast, dialogue(("User", "Aye?"))))) == 24
    assert len(passes.steps) < 60


def test_a_full_queue_is_an_error_that_says_what_to_do(pairs: Pairs, opened: Opened, passes: Passes) -> None:
    fast = opened(pairs(), slots=1, queue=1)
    passes.hold()
    prompt = ask(fast, seeing())
    speaking = fast.generate(prompt, MEDIA, GREEDY)
    wait_until(lambda: bool(passes.blocks))
    waiting = fast.generate(prompt, MEDIA, GREEDY)
    with pytest.raises(EngineError, match=r"busy: 1 replies are being spoken and 1 wait. Try again in a moment"):
        fast.generate(prompt, MEDIA, GREEDY)
    passes.go_on()
    assert list(speaking) == list(waiting)
    waiting.close()
    assert tokens_of(fast, prompt, GREEDY, MEDIA)


def test_one_chat_that_fails_leaves_the_others_alone(
    pairs: Pairs, opened: Opened, passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = opened(pairs())
    prompts = [ask(fast, seeing()), ask(fast, dialogue(("User", "What do you see?")))]
    expected = tokens_of(fast, prompts[0], LONG, MEDIA)
    passes.hold()
    good, bad = fast.generate(prompts[0], MEDIA, LONG), fast.generate(prompts[1], {}, LONG)
    step = Decoder.step

    def fragile(decoder: Decoder, slots: list[Slot], reads: list[Read]) -> list[Result]:
        if any(read.attended is None or not len(read.attended.visible(read.turns)[0, 0]) for read in reads):
            raise EngineError("no memory")
        return step(decoder, slots, reads)

    monkeypatch.setattr(Decoder, "step", fragile)
    passes.go_on()
    with pytest.raises(EngineError, match="no memory"):
        list(bad)
    assert [token for delta in good for token in delta.token_ids] == expected
    assert tokens_of(fast, prompts[0], LONG, MEDIA) == expected


def test_broken_logits_end_one_reply_with_an_error(
    pairs: Pairs, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = opened(pairs())
    prompt = ask(fast, seeing())
    step = Decoder.step

    def broken(decoder: Decoder, slots: list[Slot], reads: list[Read]) -> list[Result]:
        results = step(decoder, slots, reads)
        results[0].logits[:] = np.nan
        return results

    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "step", broken)
        with pytest.raises(EngineError, match="not a number"):
            tokens_of(fast, prompt, GREEDY, MEDIA)
    assert len(tokens_of(fast, prompt, GREEDY, MEDIA)) == 24


def test_closing_the_engine_ends_its_thread_and_everything_that_speaks(pairs: Pairs) -> None:
    before = threading.active_count()
    with OnnxEngine(pairs().bundle, threads=1) as fast:
        reply = fast.generate(ask(fast, seeing()), MEDIA, LONG)
        next(reply)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    with pytest.raises(EngineError, match="closed"):
        list(reply)
    with pytest.raises(EngineError, match="the engine is closed"):
        fast.generate(ask(fast, seeing()), MEDIA, GREEDY)


def test_an_engine_that_nobody_holds_any_more_ends_its_thread(pairs: Pairs) -> None:
    before = threading.active_count()
    fast = OnnxEngine(pairs().bundle, threads=1)
    tokens_of(fast, ask(fast, seeing()), GREEDY, MEDIA)
    del fast
    gc.collect()
    wait_until(lambda: threading.active_count() == before)
