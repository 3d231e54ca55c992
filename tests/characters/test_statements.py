"""What a card says of its character, and the opposite of it."""

from __future__ import annotations

from ruxi.characters.statements import first_person, opposite


def test_statements_are_turned_into_their_opposite() -> None:
    assert opposite("I am a pilot.") == "I am not a pilot."
    assert opposite("I'm from Rome.") == "I am not from Rome."
    assert opposite("I love birds.") == "I do not love birds."
    assert opposite("My favourite colour is red.") == "My favourite colour is not red."
    assert opposite("I can swim.") == "I can not swim."
    assert opposite("I do not like rain.") is None
    assert opposite("Rain falls.") is None
    assert first_person("I am a pilot. Birds fly.\nMy cat sleeps a lot!") == ["I am a pilot.", "My cat sleeps a lot!"]
