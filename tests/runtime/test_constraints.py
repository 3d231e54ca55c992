"""Replies of a given form, from a model that knows nothing: whatever fits was forced."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Turn
from ruxi.errors import EngineError, UsageError
from ruxi.prompt import Prompt
from ruxi.runtime import Constraint, Sampling, load
from ruxi.runtime.constraints import Constraints
from ruxi.runtime.sampling import Sampler
from tests.scripted import small_tokenizer


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    deck: bool


class State(BaseModel):
    """What a game might ask a character for."""

    model_config = ConfigDict(extra="forbid")
    mood: Literal["calm", "angry"]
    line: str = Field(max_length=12)
    moves: list[Annotated[int, Field(ge=0, le=99)]] = Field(max_length=3)
    next: Place | None


STATE = Constraint.json_schema(State.model_json_schema())


@pytest.fixture(scope="module")
def say(llama_folder: Path) -> Any:
    """A reply of a random model to a fixed question."""
    engine = load(str(llama_folder))
    prompt = engine.prompts.build(
        Character(name="Mira"), Dialogue(id="d", turns=[Turn.of_text("User", "Report, captain!")])
    )

    def say(constraint: Constraint, **settings: Any) -> tuple[str, str | None]:
        sampling = Sampling(constraint=constraint, **{"temperature": 1.5, "min_p": 0.0, "top_p": 1.0, **settings})
        deltas = list(engine.generate(prompt, {}, sampling))
        return "".join(delta.text for delta in deltas), deltas[-1].finish_reason

    return say


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_every_reply_fits_its_schema(say: Any, temperature: float) -> None:
    found = set()
    for seed in range(12):
        text, finish = say(STATE, seed=seed, temperature=temperature)
        State.model_validate_json(text)
        assert finish == "stop"
        found.add(text)
    assert len(found) == (1 if temperature == 0 else 12)


def test_expressions_and_grammars_hold_for_the_whole_reply(say: Any) -> None:
    dice = r"[1-6]d(4|6|20)( \+[1-9])?"
    lark = 'start: who " goes " where\nwho: "Mira" | "the cat"\nwhere: "up" | "down"'
    gbnf = 'root ::= who " sees " ("a ship" | "land")\nwho ::= "Mira" | "the cat"'
    for seed in range(10):
        assert re.fullmatch(dice, say(Constraint.regex(dice), seed=seed)[0])
        assert re.fullmatch("(Mira|the cat) goes (up|down)", say(Constraint.grammar(lark), seed=seed)[0])
        assert re.fullmatch("(Mira|the cat) sees (a ship|land)", say(Constraint.grammar(gbnf), seed=seed)[0])


def test_a_form_may_repeat_what_free_speech_may_not(say: Any) -> None:
    text, _ = say(Constraint.regex(r"(no, ){12}never"), no_repeat_ngram=3)
    assert text == "no, " * 12 + "never"


def test_a_reply_that_max_tokens_cuts_off_says_so(say: Any) -> None:
    text, finish = say(STATE, max_tokens=5)
    assert finish == "length"
    assert text.startswith("{")


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (Constraint.json_schema({"type": "objekt"}), "JSON schema cannot be used: Invalid type: objekt"),
        (Constraint("json_schema", "[1"), "JSON schema cannot be used"),
        (Constraint("json_schema", "[1]"), "a schema is an object"),
        (Constraint.json_schema({"$ref": "#/nowhere"}), "does not exist"),
        (Constraint.regex("(a"), "regular expression cannot be used.*unclosed group"),
        (Constraint.regex("a(?=b)"), "look-around"),
        (Constraint.grammar("start: x"), "unknown name"),
        (Constraint.grammar('root ::= "a" | ['), "grammar cannot be used"),
    ],
)
def test_a_wrong_form_is_named_before_anything_is_computed(say: Any, constraint: Constraint, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        say(constraint)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match=message):
        constraint.check()


def test_what_a_padded_model_has_beyond_its_tokenizer_is_never_said() -> None:
    constraints = Constraints(small_tokenizer(), [2])
    form = constraints.follow(Constraint.regex("a"))
    sampler = Sampler(Sampling(temperature=0), Prompt((), (), ()), exempt=[2], form=form)
    wide = np.zeros(512, dtype=np.float32)
    wide[450:] = 50.0
    assert small_tokenizer().decode([sampler.choose(wide)]) == "a"
    # The form is complete: nothing but the end is left.
    assert sampler.choose(wide) == sampler.choose(wide) == 2


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    constraints = Constraints(small_tokenizer(), [2])
    assert constraints.follow(None) is None
    with pytest.raises(EngineError, match="pip install llguidance"):
        constraints.follow(Constraint.regex("a"))
