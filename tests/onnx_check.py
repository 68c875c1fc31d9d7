"""Holds the ONNX of a trained cell against what the run itself answered to its test pictures.

    python tests/onnx_check.py MODEL.onnx LOGITS.safetensors PICTURES

LOGITS is `zonas export RUN --as logits`. PICTURES are the test pictures that the run had: an IDX file (`.gz` or not), the binary
version of CIFAR-10, or the model's own pictures as `.npy`, `[N, C, H, W]` bytes. The mean and the deviation come from the model.
Checks the model by `onnx.checker`, with its shapes inferred, and by onnxruntime: for all pictures, for one, and for three.
"""
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file


def pictures(path, channels, height, width):
    if path.suffix == ".npy":
        return np.load(path)
    read = gzip.open if path.suffix == ".gz" else open
    with read(path, "rb") as file:
        data = np.frombuffer(file.read(), np.uint8)
    if data[:2].tolist() == [0, 0]:
        return data[4 + 4 * int(data[3]) :].reshape(-1, channels, height, width)
    return data.reshape(-1, 1 + channels * height * width)[:, 1:].reshape(-1, channels, height, width)


def main(model, logits, data):
    loaded = onnx.load(model)
    onnx.checker.check_model(loaded, full_check=True)
    about = {entry.key: entry.value for entry in loaded.metadata_props}
    session = onnxruntime.InferenceSession(model)
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, given.name) == ("images", "logits"), (taken.name, given.name)
    assert isinstance(taken.shape[0], str), f"the number of pictures is fixed: {taken.shape}"
    channels, height, width = taken.shape[1:]
    assert [channels, height, width] == [int(about[key]) for key in ("input_channels", "height", "width")]
    mean, deviation = (
        np.array(json.loads(about[key]), np.float32).reshape(1, -1, 1, 1) for key in ("mean", "deviation")
    )
    images = (pictures(Path(data), channels, height, width).astype(np.float32) / 255 - mean) / deviation
    told = load_file(logits)["logits"]
    assert len(images) == len(told), f"{len(images)} pictures, {len(told)} rows of logits"

    def answers(some):
        return session.run(["logits"], {"images": some})[0]

    found = np.concatenate([answers(images[i : i + 100]) for i in range(0, len(images), 100)])
    assert found.shape == told.shape == (len(images), int(about["classes"]))
    scale = max(1.0, float(np.abs(told).max()))
    for some in (found, answers(images[:1]), answers(images[:3])):
        apart = float(np.abs(some - told[: len(some)]).max()) / scale
        assert apart <= 1e-5, f"{len(some)} pictures: logits are {apart} apart, relative to {scale}"
        print(f"{len(some)} pictures: logits within {apart:.1e} of {scale:.3g}")
    names = json.loads(about["class_names"])
    assert len(names) in (0, found.shape[1]) and "normalised" in about["input"] and about["run"] and about["program"]
    nodes = sorted({node.op_type for node in loaded.graph.node})
    print(f"opset {loaded.opset_import[0].version}, {len(loaded.graph.node)} nodes of {', '.join(nodes)}")


main(*sys.argv[1:])
