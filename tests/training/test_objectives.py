"""Each objective teaches what its name says, and packing changes none of its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ruxi.features import FeatureSequence
from ruxi.training.examples import Example, Medium, Rejected, TurnLabels, Written
from ruxi.training.learner import Learner
from ruxi.training.objectives import Choice, Distillation, MediaEmotion, Pass, Preference, Reply, SpeechKL
from ruxi.training.objectives.choice import gains
from ruxi.training.objectives.divergence import divergences
from ruxi.training.objectives.preference import pair_likelihoods
from ruxi.training.packing import Collator
from tests.model.conftest import MODALITIES, build  # noqa: F401 (a fixture)

WIDTHS = {"image": MODALITIES["image"]["width"], "audio": MODALITIES["speech"]["width"]}


def features(medium: Medium) -> FeatureSequence:
    """Noise of its own for each medium, around one of two points: `a…` media look alike, and so do `b…` media."""
    width = WIDTHS[medium.kind]
    point = np.random.default_rng(ord(medium.media[0])).normal(size=width)
    values = point + np.random.default_rng(int(medium.media[1:])).normal(size=(6, width)) * 0.3
    return FeatureSequence(values.astype(np.float16), np.zeros((6, 2), dtype=np.float32))


def example(asked: list[int], answered: list[int], media: tuple[Medium, ...] = (), number: int = 0) -> Example:
    """A persona of two tokens, a user's turn and a reply."""
    turns = np.array([-1, -1, *[0] * len(asked), *[1] * len(answered)], dtype=np.int32)
    ids = np.array([3, 4, *asked, *answered], dtype=np.int32)
    labels = (TurnLabels(0, 1 + len(asked), -100, -100, False), TurnLabels(1, len(ids) - 1, -100, -100, True))
    return Example(str(number), str(number), ids, turns, turns == 1, media, labels)


def spoken(number: int, kind: str) -> Example:
    """A sound whose words, in writing, are 50 or 60."""
    reply = [20 + number % 5, 30 + number % 7, 2]
    hears = example([9], reply, (Medium("audio", f"{kind}{number}", 0),), number)
    reads = example([50 if kind == "a" else 60, 51], reply, number=number)
    here, there = (np.flatnonzero(e.targets) - 1 for e in (hears, reads))
    return replace(hears, written=Written(reads, here, there))


def pictured(number: int, kind: str) -> Example:
    """The same reply beside the right and the wrong picture: what is said of `a…` is not said of `b…`."""
    reply = [70, 71, 2] if kind == "a" else [80, 81, 2]
    better, worse = (
        example([9], reply, (Medium("image", f"{k}{number}", 0),), number) for k in (kind, "b" if kind == "a" else "a")
    )
    return replace(better, rejected=Rejected(worse, "wrong_picture"))


def felt(number: int, kind: str, stream: str, shown_in: int = 0) -> Example:
    """Someone who is glad in `a…` media and sad in `b…` media; the question is the same."""
    asked = example([9, 10], [21, 2], (Medium(stream, f"{kind}{number}", shown_in),), number)
    user, reply = asked.turns
    return replace(asked, turns=(replace(user, emotion=3 if kind == "a" else 5), reply))


def choosing(number: int, kind: str) -> Example:
    """Three replies, of which the right one for an `a…` picture is wrong for a `b…` picture."""
    replies = [[70, 71, 2], [80, 2], [90, 91, 92, 2]]
    right = 0 if kind == "a" else 1
    asked = example([9, 10 + number % 5, 1], replies[right], (Medium("image", f"{kind}{number}", 0),), number)
    turns = asked.turn_ids.copy()
    turns[4] = 1  # The token that opens the reply is of its turn.
    others = tuple(np.array(reply, dtype=np.int32) for n, reply in enumerate(replies) if n != right)
    targets = np.arange(len(turns)) >= 5
    return replace(asked, turn_ids=turns, targets=targets, fork=5, others=others)


def lively(model):
    """The model with larger weights, so that what it reads matters to what it says."""
    for name, parameter in model.language_model.named_parameters():
        if parameter.ndim > 1 and ".lora_" not in name:
            parameter.data *= 10
    return model


def collator(examples, model, **options) -> Collator:
    return Collator(examples, features, streams=model.config.streams, pad=0, **options)


def learn(model, objective, examples, steps: int, rate: float = 3e-3) -> Learner:
    learner = Learner(model, [(objective, 1.0)]).train()
    batch = collator(examples, model).collate([tuple(range(len(examples)))])
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    for _ in range(steps):
        loss = learner(batch)[objective.name]
        optimiser.zero_grad()
        (loss.total / loss.count).backward()
        optimiser.step()
    return learner.eval()


def measured(learner: Learner, examples):
    with torch.no_grad():
        return learner(collator(examples, learner.model).collate([tuple(range(len(examples)))]))


def objectives(build):  # noqa: F811
    teacher = build(gate=0.9, modalities={"image": MODALITIES["image"]}, guidance=None)
    return [
        (Reply(), 1.0),
        (SpeechKL(), 1.0),
        (Preference(0.5), 1.0),
        (Choice(2.0), 1.0),
        (Distillation(teacher, 2.0), 1.0),
    ]


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_packing_changes_no_objective(build, family):  # noqa: F811
    model = build(family, gate=0.6)
    if family == "gemma2":
        teacher = build(family, gate=0.9)
        several = (SpeechKL(), Preference(0.5), Choice(), Distillation(teacher))
        learner = Learner(model, [(objective, 1.0) for objective in several]).eval()
    else:
        learner = Learner(model, objectives(build)).eval()
    examples = [spoken(1, "a"), pictured(2, "a"), spoken(3, "b"), pictured(4, "b"), example([9, 10], [21, 2])]
    examples += [choosing(5, "a"), choosing(6, "b")]
    collate = collator(examples, model)
    alone = [learner(collate.collate([(n,)])) for n in range(7)]
    assert all(losses["distillation"].count for losses in alone)
    for rows in ([(0, 1, 2, 3, 4, 5, 6)], [(4, 0, 3), (5, 2, 6, 1)], [(4,), (0, 1, 6, 2), (3, 5)]):
        packed = learner(collate.collate(rows))
        for name in packed:
            mine = [losses[name] for losses in alone if name in losses]
            assert packed[name].count == sum(loss.count for loss in mine) > 0
            torch.testing.assert_close(packed[name].total, sum(loss.total for loss in mine), atol=1e-4, rtol=1e-4)


def test_the_divergence_and_its_gradient_are_those_of_pytorch(build):  # noqa: F811
    model, teacher = build(gate=0.6), build(gate=0.9)
    batch = collator([pictured(1, "a"), example([9], [21, 22, 2])], model).collate([(0, 1)])
    run = Pass(model, batch)
    wanted = torch.randn(7, model.config.text_config.vocab_size, generator=torch.Generator().manual_seed(1))
    found = []
    for gemma in (False, True):
        hidden = torch.randn(7, 32, generator=torch.Generator().manual_seed(2)).requires_grad_()
        model.get_output_embeddings().requires_grad_(gemma)  # A head that is trained takes the other way.
        ours = divergences(run, hidden, lambda span: wanted[span], temperature=2.0)
        ours.sum().backward()
        found.append((ours.detach(), hidden.grad))
    hidden = torch.randn(7, 32, generator=torch.Generator().manual_seed(2)).requires_grad_()
    log_p = F.log_softmax(model.logits(hidden) / 2.0, dim=-1)
    reference = F.kl_div(log_p, F.log_softmax(wanted / 2.0, dim=-1), log_target=True, reduction="none").sum(-1) * 4.0
    reference.sum().backward()
    for value, gradient in found:
        torch.testing.assert_close(value, reference.detach())
        torch.testing.assert_close(gradient, hidden.grad)
    shorter = divergences(run, hidden.detach(), lambda span: wanted[span, :90])
    assert (shorter >= 0).all()
    assert teacher is not model


def test_what_a_dialogue_adds_to_a_reply_is_that_of_separate_passes(build):  # noqa: F811
    model = lively(build(gate=0.6)).eval()
    learner = Learner(model, [(Choice(), 1.0)]).eval()
    one = choosing(3, "b")
    with torch.no_grad():
        run = learner.run(collator([example([9], [21, 2]), one], model).collate([(0, 1)]))
        found = gains(run, run.batch.choices)[0]
        for reply, gain in zip((one.input_ids[one.fork :], *one.others), found, strict=True):
            ids = np.concatenate([one.input_ids[: one.fork], reply])
            turns = np.concatenate([one.turn_ids[: one.fork], np.ones(len(reply), dtype=np.int32)])
            whole = replace(one, input_ids=ids, turn_ids=turns, targets=np.arange(len(ids)) >= one.fork, others=())
            labels = (TurnLabels(1, len(reply), -100, -100, True),)
            cut = slice(one.fork - 1, None)
            alone = replace(
                whole, input_ids=ids[cut], turn_ids=turns[cut], targets=whole.targets[cut], media=(), turns=labels
            )
            known, worth = (
                Reply()(learner.run(collator([e], model).collate([(0,)]))).total.item() for e in (whole, alone)
            )
            assert gain.item() == pytest.approx(worth - known, abs=1e-4)


def test_choosing_learns_which_reply_belongs_to_what_is_seen(build):  # noqa: F811
    model = build(gate=0.3, lora={"rank": 4, "dropout": 0.0})
    held_out = [choosing(n, "ab"[n % 2]) for n in range(40, 60)]
    before = measured(Learner(model, [(Choice(), 1.0)]).eval(), held_out)["choice"]
    learner = learn(model, Choice(), [choosing(n, "ab"[n % 2]) for n in range(24)], steps=30, rate=1e-2)
    after = measured(learner, held_out)["choice"]
    assert after.correct >= 18
    assert after.total < before.total / 2


def test_faces_and_voices_learn_their_emotions_without_the_language_model(build):  # noqa: F811
    model = build(gate=0.3)
    shown = [felt(n, kind, stream) for n in range(4) for kind in "ab" for stream in ("image", "audio")]
    learner = learn(model, MediaEmotion(), shown, steps=40)
    others = [felt(n, kind, stream) for n in range(4, 9) for kind in "ab" for stream in ("image", "audio")]
    loss = measured(learner, others)["media_emotion"]
    assert (loss.count, loss.correct) == (20, 20)
    run = learner.run(collator(shown, model).collate([tuple(range(len(shown)))]))
    model.zero_grad()
    MediaEmotion()(run).total.backward()
    assert "hidden" not in vars(run)
    learnt = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learnt
    assert all(name.startswith("guidance.media_heads.") for name in learnt)


def test_a_turn_that_shows_nothing_itself_has_no_emotion_of_media(build):  # noqa: F811
    learner = Learner(build(), [(MediaEmotion(), 1.0)]).eval()
    earlier, without = felt(1, "a", "image", shown_in=-1), replace(felt(2, "a", "image"), media=())
    unknown = example([9, 10], [21, 2], (Medium("image", "a3", 0),), 3)
    assert "media_emotion" not in measured(learner, [earlier, without, unknown])
    assert measured(learner, [earlier, without, unknown, felt(4, "b", "audio")])["media_emotion"].count == 1


def test_a_batch_without_choices_has_no_branches_and_no_such_loss(build):  # noqa: F811
    model = build()
    batch = collator([example([9], [21, 2])], model).collate([(0,)])
    assert batch.branch_ids is None
    assert "choice" not in Learner(model, [(Choice(), 1.0), (Reply(), 1.0)])(batch)


def test_what_is_right_as_well_is_learnt_behind_the_same_trunk(build):  # noqa: F811
    learner = Learner(lively(build(gate=0.5)), [(Choice(), 1.0), (Reply(), 1.0)]).eval()
    chosen = choosing(3, "a")
    also = [np.array(reply, dtype=np.int32) for reply in ([60, 61, 62, 2], [65, 2])]
    together = measured(learner, [replace(chosen, alternatives=tuple(also))])
    alone = measured(learner, [chosen])
    expected = alone["reply"].total
    for reply in also:
        trunk = example([9, 13, 1], reply.tolist(), chosen.media, 3)
        turns = trunk.turn_ids.copy()
        turns[4] = 1
        # What is said first stands behind another branch, and is not learnt.
        trunk = replace(trunk, turn_ids=turns, targets=np.arange(len(turns)) > chosen.fork)
        expected = expected + measured(learner, [trunk])["reply"].total
    assert together["reply"].count == alone["reply"].count + 4
    torch.testing.assert_close(together["reply"].total, expected)
    torch.testing.assert_close(together["choice"].total, alone["choice"].total)
    plain = measured(learner, [replace(chosen, others=(), alternatives=tuple(also))])
    torch.testing.assert_close(plain["reply"].total, expected)
    assert "choice" not in plain


def test_speech_comes_to_be_answered_as_its_transcript(build):  # noqa: F811
    model = build(gate=0.3, lora={"rank": 4, "dropout": 0.0})
    held_out = [spoken(n, "ab"[n % 2]) for n in range(40, 52)]
    before = measured(Learner(model, [(SpeechKL(), 1.0)], freeze=["lora"]).eval(), held_out)["speech_kl"]
    objective = SpeechKL()
    learner = Learner(model, [(objective, 1.0)], freeze=["lora"]).train()
    batch = collator([spoken(n, "ab"[n % 2]) for n in range(24)], model).collate([tuple(range(24))])
    learner(batch)["speech_kl"].total.backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("resamplers.speech") for name in touched)
    assert any(name.startswith("fusion") for name in touched)
    assert not any(name.startswith(("language_model", "resamplers.image")) for name in touched)
    assert model.training, "the teacher's pass leaves the model as it was"
    model.zero_grad()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(30):
        loss = learner(batch)["speech_kl"]
        optimiser.zero_grad()
        (loss.total / loss.count).backward()
        optimiser.step()
    after = measured(learner.eval(), held_out)["speech_kl"]
    assert after.count == before.count == 36
    assert after.total < 0.5 * before.total


def test_the_teachers_pass_takes_no_gradient_away_in_bfloat16(build):  # noqa: F811
    model = build(gate=0.3, lora={"rank": 4, "dropout": 0.0}).to(torch.bfloat16)
    learner = Learner(model, [(SpeechKL(), 1.0)], precision=torch.bfloat16).train()
    learner(collator([spoken(n, "a") for n in range(4)], model).collate([(0, 1, 2, 3)]))["speech_kl"].total.backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    for part in ("resamplers.speech.input.weight", "fusion.query.weight", "fusion.blocks.3.mix.weight"):
        assert part in touched


def test_speech_that_is_hidden_or_written_teaches_nothing_by_kl(build):  # noqa: F811
    model = build(gate=0.6)
    learner = Learner(model, [(SpeechKL(), 1.0)])
    hidden = collator([spoken(1, "a")], model, modality_dropout=0.999999).collate([(0,)])
    assert hidden.heard is None
    assert "speech_kl" not in learner(hidden)
    assert "speech_kl" not in learner(collator([pictured(1, "a")], model).collate([(0,)]))


def test_preferences_raise_the_margin_of_held_out_pairs_by_the_picture_alone(build):  # noqa: F811
    model = lively(build(gate=0.3))
    held_out = [pictured(n, "ab"[n % 2]) for n in range(60, 80)]
    # References far apart must not matter for what is measured, so that of the model as it starts is taken.
    with torch.no_grad():
        start = pair_likelihoods(Pass(model, collator(held_out, model).collate([tuple(range(20))])))
    referred = [
        replace(e, rejected=replace(e.rejected, reference=tuple(nats)))
        for e, nats in zip(held_out, start.tolist(), strict=True)
    ]
    untrained = measured(Learner(model, [(Preference(0.5), 1.0)]).eval(), referred)["preference"]
    torch.testing.assert_close(untrained.total / untrained.count, torch.tensor(2.0).log())
    learner = learn(model, Preference(0.5), [pictured(n, "ab"[n % 2]) for n in range(24)], steps=15, rate=1e-2)
    trained = measured(learner, referred)["preference"]
    assert trained.correct >= 19
    assert trained.further["wrong_picture_accuracy"] == (trained.correct, 20)
    assert trained.further["margin"][0] / 20 > 1.0
    assert trained.total / trained.count < 0.4
    assert "rated_accuracy" not in trained.further


def test_a_worse_reply_is_in_no_other_loss(build):  # noqa: F811
    model = build(gate=0.6)
    learner = Learner(model, [(Reply(), 1.0)]).eval()
    pair = pictured(1, "a")
    alone = replace(pair, rejected=None)
    with torch.no_grad():
        both, one = (learner(collator([e], model).collate([(0,)]))["reply"] for e in (pair, alone))
    assert both.count == one.count
    torch.testing.assert_close(both.total, one.total, atol=1e-5, rtol=1e-5)
    batch = collator([pair], model, modality_dropout=0.999999).collate([(0,)])
    assert len(batch.media["image"].values) == 2, "nothing of a pair is hidden"


def test_a_student_takes_over_its_teachers_distribution(build):  # noqa: F811
    # The same base, with an adapter that changes what it says.
    lora = {"rank": 2, "dropout": 0.0, "targets": ("down_proj",)}
    teacher = lively(build(lora=lora))
    generator = torch.Generator().manual_seed(4)
    for name, parameter in teacher.named_parameters():
        if ".lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    student = lively(build(lora=lora))
    rng = np.random.default_rng(0)
    dialogues = [example(rng.integers(5, 97, 4).tolist(), rng.integers(5, 97, 6).tolist(), number=n) for n in range(60)]
    objective = Distillation(teacher)
    before = measured(Learner(student, [(objective, 1.0)]).eval(), dialogues[48:])["distillation"]
    learner = learn(student, objective, dialogues[:48], steps=40, rate=1e-2)
    after = measured(learner, dialogues[48:])["distillation"]
    assert after.total < 0.5 * before.total
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not any("teacher" in name for name in learner.state_dict())
