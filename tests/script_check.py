"""Runs the script of a trained cell as anyone would, and holds what it answers against what the run itself answered.

    python tests/script_check.py SCRIPT.py WEIGHTS.safetensors LOGITS.safetensors IMAGES.idx[.gz] LABELS.idx[.gz]

The pictures go to the script as an .npz, and some of them as a folder of PNG where Pillow is there.
"""
import gzip
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def idx(path):
    read = gzip.open if path.endswith(".gz") else open
    with read(path, "rb") as file:
        data = np.frombuffer(file.read(), np.uint8)
    sides = data[4 : 4 + 4 * int(data[3])].view(">u4")
    return data[4 + 4 * len(sides) :].reshape(sides)


def run(script, *words):
    done = subprocess.run([sys.executable, script, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def main(script, weights, logits, images, labels):
    images, labels, told = idx(images), idx(labels), load_file(logits)
    assert (told["labels"] == labels).all() and len(images) == len(labels)
    scale = max(1.0, float(np.abs(told["logits"]).max()))
    right = (told["logits"].argmax(axis=1) == labels).mean()
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        np.savez(at / "test.npz", images=images, labels=labels)
        said = run(script, weights, at / "test.npz", "--logits", at / "found.npy")
        apart = float(np.abs(np.load(at / "found.npy") - told["logits"]).max()) / scale
        assert apart <= 1e-5, f"logits are {apart} apart, relative to {scale}"
        found = float(re.match(r"[0-9.]+", said)[0])
        assert abs(found - right) < 2e-3, f"{said}: the run has {right}"
        print(f"{len(labels)} pictures: logits within {apart:.1e} of {scale:.3g}; {said.strip()}")
        try:
            from PIL import Image
        except ImportError:
            print("skipped: no Pillow, so no folder of pictures")
            return
        names = runpy.run_path(script)["CLASS_NAMES"]
        some = range(0, len(labels), 7)
        for i in some:
            name = names[labels[i]].replace("/", "_")
            (at / "pictures" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[i]).save(at / "pictures" / name / f"{i:05}.png")
        said = run(script, weights, at / "pictures")
        wanted = (told["logits"].argmax(axis=1) == labels)[some].mean()
        assert abs(float(re.match(r"[0-9.]+", said)[0]) - wanted) < 2e-3, f"{said}: the run has {wanted}"
        print(f"as a folder: {said.strip()}")


main(*sys.argv[1:])
