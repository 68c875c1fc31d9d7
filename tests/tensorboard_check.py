"""Reads what a run recorded for TensorBoard back by TensorBoard's own reader, and holds it against the run's journal.

    python tests/tensorboard_check.py FOLDER EVENTS.jsonl

FOLDER has the files of events; EVENTS is what `zonas tail RUN --no-follow --output json` printed.
"""
import io
import json
import math
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2


def close(a, b):
    return a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)


def number(value):
    return float(value)


def main(folder, journal):
    events = [json.loads(line) for line in open(journal, encoding="utf-8")]
    board = EventAccumulator(folder, size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
    board.Reload()
    start = [e for e in events if e["event"] in ("search_started", "training_started")]
    per_epoch, batch = start[-1]["steps_per_epoch"], start[-1]["batch"]

    # What the journal tells: by tag and step, the later line counts.
    wanted, histograms, pictures = {}, {}, {}

    def put(tag, step, value):
        if value is not None and not math.isnan(number(value)):
            wanted.setdefault(tag, {})[step] = number(value)

    def begin(step):
        for found in (*wanted.values(), *histograms.values(), pictures):
            for later in [s for s in found if s >= step]:
                del found[later]

    last, memory, genotype = 0, None, None
    for e in events:
        kind = e["event"]
        if kind in ("step", "training_step"):
            at = e["epoch"] * per_epoch + e["step"] + 1
            if at <= last:
                begin(at)
            last = at
            put("loss/train_step", at, e.get("train_loss", e.get("loss")))
            put("loss/valid_step", at, e.get("valid_loss"))
            put("accuracy/train_step", at, e.get("train_accuracy", e.get("accuracy")))
            for tag in ("gradient_norm", "learning_rate"):
                put(tag, at, e[tag])
            put("seconds/step", at, batch / e["images_per_second"])
            if memory:
                put("memory/used_bytes", at, memory["used_bytes"])
                put("memory/peak_bytes", at, memory["peak_bytes"])
                memory = None
        elif kind == "memory":
            memory = e
        elif kind == "alphas":
            last = at = e["epoch"] * per_epoch + e["step"] + 1
            for name in ("normal", "reduction"):
                kept = [w for row in e[name] for w in row if w > 0]
                if kept:
                    histograms.setdefault(f"mixing_weights/{name}", {})[at] = kept
        elif kind in ("epoch_ended", "training_epoch_ended"):
            last = at = (e["epoch"] + 1) * per_epoch
            other = "valid" if kind == "epoch_ended" else "test"
            for half in ("train", other):
                put(f"loss/{half}", at, e[f"{half}_loss"])
                put(f"accuracy/{half}", at, e[f"{half}_accuracy"])
            put("seconds/epoch", at, e["seconds"])
            if kind == "epoch_ended" and e["genotype"] != genotype:
                genotype = pictures[at] = e["genotype"]
        elif kind == "found" and e["genotype"] != genotype:
            genotype = pictures[last] = e["genotype"]

    tags = board.Tags()
    own = {tag for tag in tags["scalars"] if not tag.startswith("mixing_weights/")}
    assert own == set(wanted), f"scalars: {sorted(own ^ set(wanted))} are on one side only"
    count = 0
    for tag, values in wanted.items():
        found = {s.step: s.value for s in board.Scalars(tag)}
        assert found.keys() == values.keys(), f"{tag}: steps {sorted(found.keys() ^ values.keys())} are on one side only"
        for step, value in values.items():
            assert close(found[step], value), f"{tag} at {step}: {found[step]}, and the journal has {value}"
            count += 1
    assert set(tags["histograms"]) == set(histograms), (tags["histograms"], sorted(histograms))
    for tag, values in histograms.items():
        found = {h.step: h.histogram_value for h in board.Histograms(tag)}
        assert found.keys() == values.keys(), f"{tag}: {sorted(found.keys() ^ values.keys())}"
        for step, kept in values.items():
            h = found[step]
            assert h.num == len(kept) == sum(h.bucket) and close(h.sum, sum(kept)), f"{tag} at {step}"
            assert close(h.min, min(kept)) and close(h.max, max(kept)) and close(h.sum_squares, sum(w * w for w in kept))
            limits = [0.0, *h.bucket_limit]
            for i, inside in enumerate(h.bucket):
                there = sum(limits[i] <= w < limits[i + 1] or (i + 2 == len(limits) and w == 1.0) for w in kept)
                assert abs(there - inside) <= 1, f"{tag} at {step}: bucket {i} has {inside}, not {there}"
    images = board.Images("cell") if tags["images"] else []
    if images:
        assert {i.step for i in images} == set(pictures), f"pictures at {[i.step for i in images]}, not {sorted(pictures)}"
        for image in images:
            png = image.encoded_image_string
            assert png[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", png[16:24]) == (image.width, image.height)
            assert io.BytesIO(png).getbuffer().nbytes > 1000
    elif pictures:
        print("skipped: pictures of cells; this machine has no font")

    told = board.PluginTagToContent("hparams")
    read = {tag.split("/")[-1]: plugin_data_pb2.HParamsPluginData.FromString(content) for tag, content in told.items()}
    began = read["session_start_info"].session_start_info
    asked = read["experiment"].experiment
    assert set(began.hparams) <= {i.name for i in asked.hparam_infos} and began.hparams["seed"].number_value >= 0
    metrics = [m.name.tag for m in asked.metric_infos]
    metrics = [tag for tag in metrics if tag in wanted]
    assert len(metrics) == 2, metrics
    ended = [e for e in events if e["event"] == "run_ended"]
    if ended and ended[-1]["outcome"] == "done":
        assert read["session_end_info"].session_end_info.status == 1
    print(
        f"{count} scalars of {len(wanted)} tags, {sum(map(len, histograms.values()))} histograms, {len(images)} pictures, "
        f"{len(began.hparams)} settings; metrics {', '.join(metrics)}"
    )


main(*sys.argv[1:])
