"""The bundle as a whole: what is in the folder, how small it gets, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from ruxi.compress.export import export, export_engine
from ruxi.errors import ModelError, RuxiError, UsageError
from ruxi.runtime.onnx.bundle import CARD, CONFIG, DECODER, DECODER_DATA, Bundle
from tests.compress.conftest import Decoder, fused_inputs, tiny_engine
from tests.model.conftest import tiny_base, tokens


def test_a_bundle_describes_itself(exported):
    model, bundle = exported()
    config = bundle.config
    assert Bundle.open(bundle.folder, check=True).config == config
    assert config.fusion.streams == model.config.streams == ("image", "speech", "guidance")
    assert config.guidance is not None
    assert config.guidance.emotions == model.config.guidance_settings.emotions
    assert config.end_ids
    card = (bundle.folder / CARD).read_text()
    assert "an-image-encoder" in card
    assert "28 emotions" in card


def test_damage_is_named(exported):
    _, bundle = exported()
    data = bundle.folder / DECODER_DATA
    data.write_bytes(data.read_bytes()[:-1] + b"\1")
    with pytest.raises(ModelError, match=r"decoder\.data changed"):
        Bundle.open(bundle.folder, check=True)
    (bundle.folder / DECODER).unlink()
    with pytest.raises(ModelError, match=r"decoder\.onnx missing"):
        Bundle.open(bundle.folder)
    stored = json.loads((bundle.folder / CONFIG).read_text())
    stored["shape"]["layers"] = "many"
    (bundle.folder / CONFIG).write_text(json.dumps(stored))
    with pytest.raises(ModelError, match=r"shape\.layers"):
        Bundle.open(bundle.folder)
    with pytest.raises(ModelError, match=r"no config\.json"):
        Bundle.open(bundle.folder.parent)


@pytest.mark.parametrize(("family", "precision"), [("smollm", "int8"), ("qwen2", "int4"), ("llama", "auto")])
def test_fewer_bits_make_it_smaller_and_keep_what_it_says(tmp_path, family, precision):
    engine = tiny_engine(family)
    full, small = (export_engine(engine, tmp_path / name, name) for name in ("fp32", precision))
    ids, turns = tokens(1, 12).numpy(), tokens(1, 12)
    logits = [Decoder(b, 1).read(ids, **fused_inputs(b, {}, turns))[0] for b in (full, small)]
    # Random weights are far more sensitive than trained ones; a position now and then tips over.
    closeness = np.median(
        [np.corrcoef(one, other)[0, 1] for one, other in zip(logits[0][0], logits[1][0], strict=True)]
    )
    assert closeness > {"int8": 0.99, "auto": 0.9, "int4": 0.8}[precision]
    assert small.config.bits["layers"] < 32
    weights = [sum(t.external_data != [] for t in _initializers(b)) for b in (full, small)]
    assert all(weights)
    sizes = [_weight_bytes(b) for b in (full, small)]
    assert sizes[1] < 0.55 * sizes[0]


def _initializers(bundle):
    import onnx

    return onnx.load(bundle.path(DECODER), load_external_data=False).graph.initializer


def _weight_bytes(bundle):
    """Bytes of the matrices, without the gaps between them."""
    found = {}
    for tensor in _initializers(bundle):
        place = {entry.key: entry.value for entry in tensor.external_data}
        if place and "rotary" not in tensor.name:
            found[place["offset"]] = int(place["length"])
    return sum(found.values())


def test_what_has_no_graph_is_refused_by_its_field(tmp_path):
    from ruxi.model import RolePlayConfig, RolePlayForCausalLM
    from ruxi.runtime.torch_engine import TorchEngine
    from tests.scripted import small_tokenizer

    for family, problem in (("gemma2", r"text_config\.model_type: is 'gemma2'"), ("llama", r"text_config\.head_dim")):
        base = tiny_base(family)
        model = RolePlayForCausalLM.around(base, RolePlayConfig(text_config=base.config))
        with pytest.raises(ModelError, match=problem):
            export_engine(TorchEngine(model, small_tokenizer()), tmp_path / "bundle")
    assert not any(tmp_path.iterdir()), "a refused export left something behind"


def test_taken_folders_and_wrong_names_are_refused(tmp_path, exported):
    _, bundle = exported()
    with pytest.raises(UsageError, match="exported already"):
        export(str(bundle.folder), tmp_path / "new")
    with pytest.raises(UsageError, match="holds a bundle already"):
        export("ruxi-mini", bundle.folder)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds something else"):
        export("ruxi-mini", tmp_path / "taken", replace=True)
    with pytest.raises(UsageError, match="no precision is called 'int3'"):
        export("ruxi-mini", tmp_path / "new", "int3")  # type: ignore[arg-type]
    with pytest.raises(RuxiError, match="no-such-model"):
        export("./no-such-model", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_command_exports_a_folder_with_a_language_model(tmp_path):
    import typer
    from transformers import PreTrainedTokenizerFast

    from ruxi.cli.compress import compress
    from tests.compress.conftest import tiny_language_model
    from tests.scripted import small_tokenizer

    tiny_language_model("smollm").save_pretrained(tmp_path / "model")
    wrapped = PreTrainedTokenizerFast(tokenizer_object=small_tokenizer(), eos_token="<|im_end|>")
    wrapped.save_pretrained(tmp_path / "model")
    app = typer.Typer()
    app.command()(compress)
    arguments = [str(tmp_path / "model"), "-o", str(tmp_path / "out"), "--precision", "int8", "--json"]
    result = CliRunner().invoke(app, arguments)
    # The pinned image encoder belongs to the default modalities of a bare language model.
    if isinstance(result.exception, RuxiError):
        pytest.skip(str(result.exception))
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["precision"] == "int8"
    assert facts["fusion"]["kind"] == "none"
    assert set(facts["bytes"]) >= {DECODER, DECODER_DATA, CONFIG, CARD, "tokenizer.json"}
    assert CliRunner().invoke(app, arguments).exception.problem == "holds a bundle already"
    assert CliRunner().invoke(app, [*arguments, "--replace"]).exit_code == 0
