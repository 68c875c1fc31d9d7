#!/usr/bin/env python3
"""A genotype and its figures as others read them: forms_check.py DIR, with NAME.python, .json, .dot, .svg and, if there, .png."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml
from collections import namedtuple
from pathlib import Path

folder, name = Path(sys.argv[1]), sys.argv[2]
file = lambda form: folder / f"{name}.{form}"

# As a line of genotypes.py in the published code.
Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")
text = file("python").read_text()
genotype = eval(text, {"Genotype": Genotype})
told = json.loads(file("json").read_text())
for kind, name_in_json in (("normal", "normal"), ("reduce", "reduction")):
    choices = [(choice["operation"], choice["source"]) for choice in told[name_in_json]]
    assert getattr(genotype, kind) == choices, choices
    assert list(getattr(genotype, kind + "_concat")) == told[name_in_json + "_concat"], told
operations = {operation for operation, _ in genotype.normal + genotype.reduce}

root = xml.parse(file("svg")).getroot()
assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag
words = [" ".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]
assert words, "a figure without a word"

said = [f"{len(operations)} kinds of operation as Python and JSON, {len(words)} words in the figure"]
dot = file("dot").read_text()
assert all(operation in dot for operation in operations), "an operation is missing in DOT"
if shutil.which("dot"):
    drawn = subprocess.run(["dot", "-Tplain"], input=dot, capture_output=True, text=True, check=True).stdout
    edges = [line for line in drawn.splitlines() if line.startswith("edge")]
    assert len(edges) >= len(genotype.normal) + len(genotype.reduce), len(edges)
    said.append(f"{len(edges)} edges drawn by dot")
else:
    said.append("skipped: DOT, no dot")
if file("png").exists():
    try:
        from PIL import Image
    except ImportError:
        said.append("skipped: PNG, no Pillow")
    else:
        with Image.open(file("png")) as picture:
            picture.load()
            assert picture.format == "PNG" and len(set(picture.convert("L").tobytes())) > 16, "an empty picture"
            said.append(f"a PNG of {picture.width}x{picture.height}")
print("; ".join(said))
