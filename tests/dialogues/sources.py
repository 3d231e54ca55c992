"""A small source of our own for every importer, in the form in which the real data come."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from ruxi.dialogues import DialogueSet
from ruxi.dialogues.importers import ImportReport, import_dataset, load_importer


def imported(
    name: str, source: Path, out: Path, options: Mapping[str, Any] | None = None, **settings: Any
) -> tuple[DialogueSet, ImportReport]:
    """Import a source and open the result."""
    report = import_dataset(load_importer(name, options), source, out, **settings)
    return DialogueSet.open(out), report


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), (shade, 90, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def flac(pitch: int = 200, format: str = "FLAC") -> bytes:
    buffer = io.BytesIO()
    samples = 0.3 * np.sin(np.arange(4000) / 16000 * 2 * np.pi * pitch)
    soundfile.write(buffer, samples, 16000, format=format)
    return buffer.getvalue()


def write_lines(path: Path, records: Iterable[Any]) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def mmrole(folder: Path) -> Path:
    def record(identifier: str, *sayings: tuple[str, str, str], **fields: Any) -> dict[str, Any]:
        turns = [{key: who, "value": value} for key, who, value in sayings]
        record = {"id": identifier, "kind": "human-role", "image": "COCO/train2017/1.jpg", "conversations": turns}
        return {"split": "in-distribution", "image_present": False, **record, **fields}

    question = ("from", "human", "What do you see?")
    answer = ("role", "Iron Man", "A skyline that I could improve.")
    still = {"image": "Series/01.png", "image_present": True, "role_info": "Iron Man.", "place_info": "New York"}
    records = [
        record("Iron_Man_1", question, answer),
        record("Iron_Man_2", ("role", "human", "And now?"), answer, **still),
        record("Iron_Man_3", ("role", "孙悟空", "俺老孙来也！"), ("role", "Iron Man", "Who are you?")),
        record("孙悟空_4", ("role", "human", "你是谁？"), ("role", "孙悟空", "我乃齐天大圣孙悟空。")),
        record("Iron_Man_5"),
        record("Iron_Man_6", question, ("role", "Nobody", "Me neither.")),
    ]
    write_lines(folder / "dialogues.jsonl.gz", records)
    write(folder / "holdout_dialogue_ids.txt", "Iron_Man_1\nGone_7\n")
    write(folder / "images/Series/01.png", png())
    profiles = folder / "profiles/in-distribution"
    write(profiles / "profiles.json", json.dumps({"Iron Man": "A rich inventor.", "孙悟空": "美猴王。"}))
    write(profiles / "roles.json", json.dumps({"The Avengers": ["Iron Man"]}))
    write(profiles / "detailed_profiles/Iron_Man.json", json.dumps({"catchphrase": "I am Iron Man."}))
    return folder


def mmrole_bench(folder: Path) -> Path:
    request = "\n\n\nPlease respond to the following words of Thor about the image in English using the tone of Loki:\n"
    item = {"id": "Loki_1_1", "split": "in", "type": "inter-role", "role": "Loki", "other_role": "Thor"}
    write_lines(
        folder / "test.jsonl", [{**item, "image": "a/1.png", "prompt": f"Be Loki.{request}Look!", "gold": "No."}]
    )
    write(folder / "profiles/in-distribution/profiles.json", json.dumps({"Loki": "A trickster."}))
    return folder


def mmrole_reviews(folder: Path) -> Path:
    mmrole_bench(folder)
    review = {"id": "Loki_1_1", "model": "a-model", "answer": "Yes."}
    scored = {**review, "scores": {"Fluency": [9.0, 10.0], "Personality": [5.0, 10.0]}}
    write_lines(folder / "reviews.jsonl.gz", [scored, {**review, "scores": {}}, {**scored, "id": "Gone_1"}])
    return folder


def multiple_choice(folder: Path) -> Path:
    question = {"question": "Who flies?", "choices": ["Mira", "a stone"]}
    write_lines(folder / "quiz.jsonl", [{**question, "answer": "A"}, {**question, "answer": 1, "image": "a.png"}])
    write(folder / "a.png", png(3))
    return folder


def wesnoth(folder: Path) -> Path:
    def line(speaker: str, text: str, event: int = 0, **fields: Any) -> dict[str, Any]:
        where = {"campaign": "Dead_Water", "scenario": "Invasion!", "file": "a/01_Invasion.cfg", "event": event}
        who = {"speaker_id": speaker, "speaker": speaker, "kind": "narrator" if speaker == "narrator" else "character"}
        return {**where, **who, "event_name": "start", "turn": 0, "text": text, **fields}

    kai = {"portrait": "images/kai.png", "text_zh": "出什么事了吗？"}
    lines = [
        line("Kai", "Is something <i>wrong</i>?", **kai),
        line("Cylanna", "Maybe. I smell death."),
        line("Kai", "Then we fight.", portrait="images/kai-angry.png", expression="angry", emotion="angry"),
        line("narrator", "They swam out.", 1),
        line("$explorer.id", "Here!", 1),
    ]
    write_lines(folder / "dialogue.jsonl", lines)
    people = [
        {"campaign": "Dead_Water", "id": "Kai", "name": "Kai Krellis", "race": "merman", "unit_description": "A king."},
        {"campaign": "Dead_Water", "id": "Cylanna", "name": "moveto", "type": "Mermaid Priestess"},
    ]
    write_lines(folder / "characters.jsonl", people)
    write(folder / "images/kai.png", png(1))
    write(folder / "images/kai-angry.png", png(2))
    return folder


WML = """#textdomain wesnoth-dw
[campaign]
    id=Dead_Water
    name= _ "Dead Water"
[/campaign]
[scenario]
    name= _ "Invasion!"
    {MUSIC "a.ogg"} # a comment with "one quote
    [side]
        type=Merman King
        id=Kai Krellis
        name= _ "Kai Krellis"
    [/side]
#ifdef HARD
    [unit]
        id,name=Cylanna, _ "Cylanna"
    [/unit]
#endif
    [event]
        name=start
        [message]
            speaker=Kai Krellis
            image="portraits/kai-angry.png"
            message= _ "note for translators^Is something ""wrong"", " + # joined
                _ "priestess?"
        [/message]
        [if]
            [then]
                [message]
                    speaker=Cylanna
                    message={WHISPER _"Maybe. I smell death."}
                    [option]
                        label= _ "Fight"
                    [/option]
                [/message]
            [/then]
        [/if]
    [/event]
    [event]
        name=last breath
        {MESSAGE_IF (
            [message]
                speaker=narrator
                message= _ "It was over."
            [/message]
        )}
    [/event]
[/scenario]
[unit_type]
    id=Merman King
    name= _ "Merman King"
    race=merman
    description= _ "Kings of the sea."
[/unit_type]
"""


def wesnoth_wml(folder: Path) -> Path:
    write(folder / "Dead_Water/_main.cfg", WML)
    write(folder / "Dead_Water/images/portraits/kai-angry.png", png(2))
    return folder


def renpy(folder: Path) -> Path:
    def line(number: int, kind: str, speaker: str, text: str, **fields: Any) -> dict[str, Any]:
        where = {"game": "question", "file": "script.rpy", "line": number, "label": "start", "turn": number}
        return {**where, "kind": kind, "speaker": speaker, "text": text, **fields}

    park = {"scene": "bg park", "scene_image": "question/bg_park.png"}
    smile = {"expression": "smile", "sprite": "question/sylvie_smile.png"}
    lines = [
        line(1, "narration", "narrator", "The lecture is over.", text_zh="讲座结束了。", **park),
        line(2, "say", "s", "Hi {i}there{/i}!", name="Sylvie", **park, **smile),
        line(3, "say", "m", "Hello.", name="Me", **park),
        line(4, "thought", "player", "She looks happy, [player_name].", name="Player", **park),
        line(5, "choice", "player", "Ask her."),
        line(6, "say", "s", "Sure!", name="Sylvie", expression="giggle"),
    ]
    write_lines(folder / "question.jsonl", lines)
    write(folder / "question/bg_park.png", png(3))
    write(folder / "question/sylvie_smile.png", png(4))
    return folder


RPY = '''define s = Character(_("Sylvie"), color="#c8ffc8")
define m = Character("Me")
init python:
    def f(x):
        return "not spoken"
label start:
    scene bg park
    with fade
    "The lecture is over." # not this
    show sylvie green normal
    s smile "Hi {i}there{/i}!{w} How was \\"class\\"?"
    m "Good... {p}I mean it."
    "Teacher" "Silence!"
    menu:
        s "Well?"
        "Ask her." if brave:
            s "Sure,
              with pleasure."
        "Go home.":
            jump later
label later:
    m """
    One paragraph.

    Another
    one.
    """
    if x:
        s "If."
    else:
        s "Else."
'''

RPY_CHINESE = """
# game/script.rpy:9
translate schinese start_915cb944:

    # "The lecture is over."
    "讲座结束了。"

# game/script.rpy:11
translate schinese start_1:

    # s smile "Hi {i}there{/i}!{w} How was \\"class\\"?"
    s smile "嗨！"

translate schinese strings:

    old "Ask her."
    new "问她。"
"""


def renpy_script(folder: Path) -> Path:
    write(folder / "question/game/script.rpy", "\ufeff" + RPY)
    write(folder / "question/game/tl/schinese/script.rpy", RPY_CHINESE)
    write(folder / "question/game/images/bg park.png", png(3))
    write(folder / "question/game/images/sylvie green normal.png", png(4))
    write(folder / "question/game/images/sylvie green smile.png", png(5))
    return folder / "question"


def freedroidrpg(folder: Path) -> Path:
    said = [("user", "Hi."), ("npc", "Hello, %s."), ("npc", "Bye."), ("user", "A?"), ("user", "B?"), ("npc", "%d!")]
    lines = [
        {"npc": "Tom", "node": "n1", "turn": turn, "role": role, "text": text} for turn, (role, text) in enumerate(said)
    ]
    lines.append({"npc": "Tom", "node": "n2", "turn": 0, "role": "npc", "text": "Alone."})
    write_lines(folder / "dialogue.jsonl", lines)
    person = {"id": "Tom", "name": "Tutorial Tom", "personality": ["Helpful"], "purpose": "Guides the player."}
    write_lines(folder / "characters.jsonl", [person])
    return folder


def meld(folder: Path) -> Path:
    joey = {"speaker": "Joey", "text": "But then who?", "emotion": "surprise", "sentiment": "negative"}
    rachel = {"speaker": "Rachel", "text": "Forget it!", "emotion": "sulking", "sentiment": "negative"}
    records = [
        {"corpus": "MELD", "id": "0", "split": split, "season": "8", "episode": "21", "turns": [joey, rachel]}
        for split in ("train", "dev", "test")
    ]
    write_lines(folder / "dialogues.jsonl", records)
    return folder


def topical_chat(folder: Path) -> Path:
    turns = [
        {
            "agent": "agent_1",
            "text": "Do you like football? ",
            "emotion": "Curious to dive deeper",
            "rating": "Not Good",
        },
        {"agent": "agent_2", "text": "I do.", "emotion": "Happy", "rating": "Excellent"},
        {"agent": "agent_1", "text": "Good.", "emotion": "Neutral", "rating": ""},
    ]
    write_lines(
        folder / "conversations.jsonl.gz", [{"id": "t_1", "split": "valid_freq", "config": "A", "turns": turns}]
    )
    return folder


def cped(folder: Path) -> Path:
    big5 = {"N": "high", "E": "high", "O": "low", "A": "unknown", "C": "high"}
    known = {"speaker": "于春晓", "gender": "female", "age": "young", "big5": big5, "scene": "car"}
    turns = [
        {**known, "emotion": "astonished", "sentiment": "negative", "da": "question", "text": "怎么了"},
        {"speaker": "其他", "scene": "car", "emotion": "negative-other", "da": "other", "text": "没什么"},
    ]
    write_lines(folder / "dialogues.jsonl.gz", [{"id": "32_000", "split": "valid", "tv": "32", "turns": turns}])
    return folder


def persona_chat(folder: Path) -> Path:
    record = {
        "split": "test", "persona1": ["I bake.", "I have a dog."], "persona2": ["I am a boy."],
        "turns": [[1, "Hi!"], [2, "Hello!"]],
    }  # fmt: skip
    write_lines(folder / "conversations.jsonl.gz", [record, record])
    return folder


def flickr8k(folder: Path) -> Path:
    write_lines(
        folder / "captions.jsonl", [{"image": "images/a.png", "captions": ["A dog.", "Dogs."], "split": "train"}]
    )
    write(folder / "images/a.png", png())
    return folder


def weather(folder: Path) -> Path:
    write_lines(folder / "metadata.jsonl", [{"image": "images/rain/r1.png", "label": "rain", "split": "validation"}])
    write(folder / "images/rain/r1.png", png())
    return folder


def ravdess(folder: Path) -> Path:
    record = {"audio": "audio/03-01.flac", "emotion": "calm", "text": "Kids are talking", "actor": 1, "duration": 0.25}
    write_lines(folder / "metadata.jsonl", [{**record, "split": "train"}])
    write(folder / "audio/03-01.flac", flac())
    return folder


def fer2013(folder: Path) -> Path:
    names = ["train/angry/1.png", "train/happy/2.png"]
    write_lines(
        folder / "metadata.jsonl", [{"image": name, "emotion": name.split("/")[1], "split": "train"} for name in names]
    )
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for shade, name in enumerate(names):
            archive.writestr(name, png(shade))
    return folder


def librispeech(folder: Path) -> Path:
    record = {"audio": "audio/1.flac", "speaker": "1688", "text": "there's iron they say", "duration": 0.25}
    write_lines(folder / "metadata.jsonl", [record])
    write(folder / "audio/1.flac", flac())
    return folder


def sharegpt(folder: Path) -> Path:
    records = [
        {
            "conversations": [
                {"from": "human", "value": "<image>What is <image>this?"},
                {"from": "gpt", "value": "Two pictures."},
                {"from": "human", "value": "<audio>"},
                {"from": "gpt", "value": "A sound."},
            ],
            "system": "You are a lighthouse keeper.",
            "images": ["pics/a.png", "pics/b.png"],
            "audios": ["pics/a.flac"],
        },
        {"conversations": [{"from": "human", "value": "Write <image> in HTML."}, {"from": "gpt", "value": "<img>"}]},
    ]
    write(folder / "train.json", json.dumps(records, indent=2))
    write(folder / "pics/a.png", png(1))
    write(folder / "pics/b.png", png(2))
    write(folder / "pics/a.flac", flac())
    return folder


def openai(folder: Path) -> Path:
    picture = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    sound = {"data": base64.b64encode(flac(format="WAV")).decode(), "format": "wav"}
    shown = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "input_audio", "input_audio": sound},
    ]
    messages = [
        {"role": "system", "content": "You are Mira."},
        {"role": "user", "content": shown},
        {"role": "assistant", "content": "I see.", "name": "Mira"},
        {"role": "user", "content": "Good."},
    ]
    write_lines(folder / "train.jsonl", [{"messages": messages}, {"messages": messages[2:], "id": 7}])
    return folder


def huggingface(folder: Path) -> Path:
    import pyarrow
    import pyarrow.parquet

    chat = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    rows = [{"messages": chat, "topic": "greeting", "image": {"bytes": png(), "path": "a.png"}}, {"messages": chat}]
    folder.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "train-00000-of-00001.parquet")
    return folder


def sillytavern(folder: Path) -> Path:
    lines = [
        {"user_name": "Ann", "character_name": "Mira", "create_date": "2025-1-1", "chat_metadata": {"note": "x"}},
        {"name": "Mira", "is_user": False, "send_date": "d", "mes": "*waves* Hi!", "swipes": ["*waves* Hi!", "Yo."]},
        {"name": "Ann", "is_user": True, "mes": "Look.", "extra": {"image": "/user/images/a.png"}},
        {"name": "System", "is_system": True, "mes": "Rain begins."},
    ]
    write_lines(folder / "chats/Mira/one.jsonl", lines)
    write(folder / "user/images/a.png", png())
    return folder


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello there,</i>

2
00:00:02,600 --> 00:00:04,000
my friend.

3
00:00:05,000 --> 00:00:06,000
- Who is it?
- JOHN: Me.

4
00:01:05,000 --> 00:01:06,000
[door slams]
"""

VTT = """WEBVTT

NOTE a remark

intro
00:01.000 --> 00:02.000 align:start
<v Mira>Good morning.</v>

00:03.000 --> 00:02.500
<v.loud Tom>Is it?
"""


def subtitles(folder: Path) -> Path:
    write(folder / "film.en.srt", SRT)
    write(folder / "talk.vtt", VTT)
    write(folder / "film.flac", flac())
    return folder


def folder(folder: Path) -> Path:
    table = (
        "dialogue;turn;file;text;emotion;speaker;reply;split;mood\n"
        "d1;2;;Second.;happy;Mira;;train;\n"
        'd1;1;pics/a.png;"First; still.";;Ann;;train;grey\n'
        ";;a.flac;what was said;angry;;I heard.;test;\n"
    )
    write(folder / "table.csv", table)
    write(folder / "pics/a.png", png())
    write(folder / "a.flac", flac())
    return folder


SOURCES: dict[str, Callable[[Path], Path]] = {
    "cped": cped,
    "fer2013": fer2013,
    "flickr8k": flickr8k,
    "folder": folder,
    "freedroidrpg": freedroidrpg,
    "huggingface": huggingface,
    "librispeech": librispeech,
    "meld": meld,
    "mmrole": mmrole,
    "mmrole-bench": mmrole_bench,
    "mmrole-reviews": mmrole_reviews,
    "multiple-choice": multiple_choice,
    "openai": openai,
    "persona-chat": persona_chat,
    "ravdess": ravdess,
    "renpy": renpy,
    "renpy-script": renpy_script,
    "sharegpt": sharegpt,
    "sillytavern": sillytavern,
    "subtitles": subtitles,
    "topical-chat": topical_chat,
    "weather": weather,
    "wesnoth": wesnoth,
    "wesnoth-wml": wesnoth_wml,
}
