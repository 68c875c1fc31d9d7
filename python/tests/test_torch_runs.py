"""What the program trains and searches, read back by `zonas.torch`: the same logits to 1e-5 on the same pictures."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from torch_here import ALL_OPERATIONS, COMMAND, DARTS_V2, NAS_BENCH_201, ROOT, command, needs_command, read, settings, torch, zt

FASHION = ROOT / "assets" / "fashion-mnist-mini"
CIFAR = ROOT / "tests" / "fixtures" / "cifar-10-binary-mini.tar.gz"

Pictures = tuple[Any, Any]


def fashion() -> Pictures:
    """The embedded test pictures `[N, 1, 28, 28]` and labels, in the order of their files."""
    planes = gzip.decompress((FASHION / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((FASHION / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    return torch.frombuffer(bytearray(planes), dtype=torch.uint8).reshape(-1, 1, 28, 28), torch.tensor(list(labels))


def cifar() -> Pictures:
    with tarfile.open(CIFAR) as archive:
        file = archive.extractfile("cifar-10-batches-bin/test_batch.bin")
        assert file is not None
        records = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).reshape(-1, 1 + 3 * 32 * 32)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()


def odd(folder: Path) -> Pictures:
    """Pictures of 30 x 30 pixels, which reductions make 15 and 8: written as a folder of PNG files."""
    image = pytest.importorskip("PIL.Image")
    draw = random.Random(0)
    pictures, labels = [], []
    for split, count in (("train", 10), ("test", 4)):
        for label in range(3):
            (folder / split / f"class{label}").mkdir(parents=True)
            for i in range(count):
                pixels = bytes((draw.randrange(256) + 60 * label) // 2 for _ in range(30 * 30 * 3))
                image.frombytes("RGB", (30, 30), pixels).save(folder / split / f"class{label}" / f"{i}.png")
                if split == "test":
                    plane = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(30, 30, 3).permute(2, 0, 1)
                    pictures.append(plane)
                    labels.append(label)
    return torch.stack(pictures), torch.tensor(labels)


SMALL = settings(train__epochs=2, train__channels=4, train__cells=3, train__batch=16, data__limit=160)

RUNS: dict[str, tuple[str, str, list[Any]]] = {
    "v2": (DARTS_V2, "demo", SMALL),
    "all": (ALL_OPERATIONS, "demo", SMALL),
    "auxiliary": (ALL_OPERATIONS, "demo", ["--data", CIFAR, *SMALL, *settings(train__auxiliary=0.4, train__drop_path=0.2)]),
    "odd": (ALL_OPERATIONS, "demo", SMALL),
    "nas_bench_201": (NAS_BENCH_201, "nas_bench_201_demo", SMALL),
    "nas_bench_201_odd": (NAS_BENCH_201, "nas_bench_201_demo", [*SMALL, *settings(train__cells=4)]),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def trained(runs: Path, name: str) -> tuple[Path, Pictures]:
    """A run of this module, trained where it is not yet, and its test pictures."""
    genotype, preset, options = RUNS[name]
    pictures = cifar() if CIFAR in options else fashion()
    folder = runs.parent / f"{runs.name}-{name}"
    if "odd" in name:
        pictures = odd(folder)
        options = [*options, "--data", folder]
    command("train", genotype, "--preset", preset, "--runs", runs, "--name", name, "--foreground", "--device", "cpu", *options)
    return runs / name, pictures


@needs_command
@pytest.mark.parametrize("name", RUNS)
def test_a_trained_network_gives_the_programs_logits(runs: Path, tmp_path: Path, name: str) -> None:
    run, (pictures, labels) = trained(runs, name)
    model, transform = zt.load(run)
    assert not model.training and transform.size == tuple(pictures.shape[-2:])
    exported = tmp_path / "logits.safetensors"
    command("export", run, "--as", "logits", "--out", exported)
    about, told = read(exported)
    # Where maps of 8 pixels come to it.
    assert (about["auxiliary"] == "true") == (name in ("auxiliary", "odd")) == hasattr(model, "auxiliary_head")
    assert torch.equal(told["labels"], labels)
    with torch.no_grad():
        logits = torch.cat([model(transform(batch)) for batch in pictures.split(128)])
    apart = (logits - told["logits"]).abs().max().item()
    print(f"{name}: {len(logits)} pictures, logits up to {logits.abs().max():.2f} are apart by {apart:.1e}")
    assert apart <= 1e-5 * max(1.0, logits.abs().max().item())
    right = (logits.argmax(1) == labels).double().mean().item()
    assert abs(right - float(about["test_accuracy"])) < 1e-9
    assert len(transform.class_names) == int(about["classes"]) == logits.shape[1]
    # The file by itself.
    weights = tmp_path / "anything.safetensors"
    command("export", run, "--as", "safetensors", "--out", weights)
    again, _ = zt.load(str(weights))
    assert torch.equal(again(transform(pictures[:4])), model(transform(pictures[:4])))


@needs_command
def test_pictures_of_any_kind_are_made_ready_alike(runs: Path) -> None:
    image, numpy = pytest.importorskip("PIL.Image"), pytest.importorskip("numpy")
    run = runs / "auxiliary"
    if not run.exists():
        trained(runs, "auxiliary")
    _, transform = zt.load(run)
    picture = cifar()[0][3]
    mean, deviation = (torch.tensor(v).reshape(3, 1, 1) for v in (transform.mean, transform.deviation))
    expected = (picture.float() / 255 - mean) / deviation
    hwc = picture.permute(1, 2, 0).contiguous().numpy()
    ready = transform(picture)
    assert ready.dtype == torch.float32 and torch.allclose(ready, expected, atol=1e-6)
    for other in (picture.double() / 255, picture.numpy(), hwc, image.fromarray(hwc), image.fromarray(hwc).convert("RGBA")):
        assert torch.allclose(transform(other), ready, atol=1e-6)
    assert torch.equal(transform(numpy.stack([hwc, hwc])), torch.stack([ready, ready]))
    assert torch.equal(transform(picture[None]), ready[None])
    assert torch.equal(zt.transform(run)(picture), ready)
    grey = zt.Transform([0.5], [0.25], (30, 20))
    assert grey(numpy.zeros((30, 20), dtype="uint8")).tolist() == torch.full((1, 30, 20), -2.0).tolist()
    assert grey(image.new("RGB", (20, 30))).shape == (1, 30, 20)
    for wrong, why in (
        (picture[:, :30], r"\[3, 32, 32\].*these are \[3, 30, 32\]"),
        (picture[0], r"these are \[32, 32\]"),
        (picture.float(), "go from 0 to 1; these from .* to 255 .pass bytes"),
        (picture.float() - torch.inf, "go from 0 to 1"),
        (picture.long(), "not torch.int64"),
        ([[1]], "not a list"),
    ):
        with pytest.raises(zt.Error, match=why):
            transform(wrong)


def rewritten(path: Path, to: Path, about: dict[str, str | None], tensors: dict[str, Any]) -> Path:
    """The file with other metadata and tensors; what is None is left out."""
    from safetensors.torch import save_file

    told, own = read(path)
    told = {key: v for key, v in {**told, **about}.items() if v is not None}
    own = {key: v for key, v in {**own, **tensors}.items() if v is not None}
    save_file(own, to, told)
    return to


@needs_command
def test_what_can_not_be_loaded_is_refused_with_the_reason(runs: Path, tmp_path: Path) -> None:
    run = runs / "v2"
    if not run.exists():
        trained(runs, "v2")
    weights = run / "weights.safetensors"
    name = "cells.0._ops.0.op.1.weight"
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "events.jsonl").write_bytes((run / "events.jsonl").read_bytes())
    search = tmp_path / "found"
    search.mkdir()
    first = json.loads((run / "events.jsonl").read_text().splitlines()[0])
    first.pop("trains")
    (search / "events.jsonl").write_text(json.dumps(first) + "\n")
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(weights.read_bytes()[:2000])
    written = 0

    def other(about: dict[str, str | None] = {}, tensors: dict[str, Any] = {}) -> Path:
        nonlocal written
        written += 1
        return rewritten(weights, tmp_path / f"{written}.safetensors", about, tensors)

    for given, why in (
        (tmp_path / "none.safetensors", "there is no file"),
        (tmp_path / "none", "no run's folder of that name"),
        (tmp_path, "is no run's folder"),
        (begun, "has not trained to its end"),
        (search, "is a search, which has no weights.*`zonas train found`"),
        (torn, "no readable safetensors"),
        (other({"network": None}), "do not say what network"),
        (other({"operations": "[]"}), "load_supernet reads"),
        (other({"genotype": None}), "lack `genotype`"),
        (other({"genotype": "Genotype(normal=[('conv', 0)]"}), "no genotype"),
        (other({"cells": "many"}), "a `cells` that can't be read: 'many'"),
        (other({"cells": "4"}), "lacks the tensor `cells.3"),
        (other({"mean": "[0.1, 0.2]"}), "not one `mean` and `deviation` for each"),
        (other(tensors={name: torch.zeros(4, 1, 5, 5)}), rf"`{name}` of .* is \[4, 1, 5, 5\].*needs \[4, 1, 3, 3\]"),
        (other(tensors={name: None}), f"lacks the tensor `{name}`"),
        (other(tensors={"more": torch.zeros(1)}), "has a tensor `more`"),
    ):
        with pytest.raises(zt.Error, match=why) as refused:
            zt.load(given)
        assert "\n" not in str(refused.value)
    with pytest.raises(zt.Error, match="of a trained genotype, not of a supernet; load reads"):
        zt.load_supernet(weights)
    with pytest.raises(zt.Error, match="--as supernet"):
        zt.load_supernet(run)


exports_supernets = pytest.mark.skipif(
    shutil.which(COMMAND) is None or "supernet" not in command("export", "--help"),
    reason=f"there is no program `{COMMAND}` that exports supernets; ZONAS names one",
)


@exports_supernets
@pytest.mark.parametrize("preset", ["demo", "nas_bench_201_demo"])
def test_a_searched_supernet_is_the_programs(runs: Path, tmp_path: Path, preset: str) -> None:
    small = settings(search__epochs=2, search__channels=2, search__batch=16, data__limit=160, score__sample=8, score__channels=2)
    command("run", "--preset", preset, "--yes", "--foreground", "--runs", runs, "--name", preset, "--device", "cpu", *small)
    file = tmp_path / "supernet.safetensors"
    command("export", runs / preset, "--as", "supernet", "--out", file)
    about, tensors = read(file)
    net = zt.load_supernet(file)
    assert not net.training and net.space.operations == tuple(json.loads(about["operations"]))
    # The same names with the same numbers, and what was cut is not there.
    own = net.state_dict()
    assert own.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(own[name], tensor.masked_fill(tensor.isinf(), 0.0) if name.startswith("alphas") else tensor), name
    assert not all(mask.all() for name, mask in tensors.items() if name.startswith("mask"))
    for kind, name in (("normal", "alphas_normal"), ("reduction", "alphas_reduce")):
        if name in tensors:
            assert torch.allclose(net.mixing(kind), tensors[name].softmax(-1), atol=1e-7)
    assert net.genotype() == about["genotype"]
    logits = net(zt.transform(file)(fashion()[0][:8]))
    assert logits.shape == (8, 10) and logits.isfinite().all()
    # It goes on.
    net.train()(torch.randn(4, 1, 28, 28)).sum().backward()
    assert all(a.grad is not None and a.grad.isfinite().all() for a in net.arch_parameters())


def test_a_run_is_read_without_the_extension_module_or_it_says_so() -> None:
    with pytest.raises(zt.Error):
        zt.load("surely there is no such run")
