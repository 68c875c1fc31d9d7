"""Reads the tables of a run by pandas, and holds them against its journal.

    python tests/tables_check.py FOLDER SEARCH.jsonl TRAINING.jsonl

FOLDER has `search.losses.csv` and the others, and `cell.losses.csv`.
"""
import json
import sys
from pathlib import Path

import numpy as np
import pandas


def read(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def of(events, kind):
    return [e for e in events if e["event"] == kind]


def same(column, values):
    assert np.allclose(column.to_numpy(float), np.array(values, float), rtol=1e-12, equal_nan=True), (column, values)


def losses(table, events, step, epoch, other):
    steps, epochs = table[table["of"] == "step"], table[table["of"] == "epoch"]
    told, ended = of(events, step), of(events, epoch)
    assert (len(steps), len(epochs)) == (len(told), len(ended))
    same(steps["train_loss_nats"], [e.get("train_loss", e.get("loss")) for e in told])
    same(steps["learning_rate"], [e["learning_rate"] for e in told])
    same(steps["pictures_per_s"], [e["images_per_second"] for e in told])
    same(steps["time_s"], [e["time"] - events[0]["time"] for e in told])
    same(epochs["held_out_accuracy_share"], [e[f"{other}_accuracy"] for e in ended])
    same(epochs["held_out_loss_nats"], [float(e[f"{other}_loss"]) for e in ended])
    same(epochs["epoch_s"], [e["seconds"] for e in ended])


def main(folder, search, training):
    folder, events = Path(folder), read(search)
    table = lambda name: pandas.read_csv(folder / f"{name}.csv")
    losses(table("search.losses"), events, "step", "epoch_ended", "valid")
    losses(table("cell.losses"), read(training), "training_step", "training_epoch_ended", "test")

    alphas, wanted = table("search.alphas"), of(events, "alphas")
    shares = [w for e in wanted for rows in (e["normal"], e["reduction"]) for row in rows for w in row if w > 0]
    same(alphas[alphas["of"] == "step"]["mixing_weight_share"].sort_values(), sorted(shares))
    raw = [
        float(a)
        for e in of(events, "epoch_ended")
        for rows in (e["alphas_normal"], e["alphas_reduction"])
        for row in rows
        for a in row
        if a != "nan"
    ]
    ended = alphas[alphas["of"] == "epoch"]
    same(ended["alpha"].sort_values(), sorted(raw))
    sums = ended.groupby(["epoch", "cell", "source", "target"])["mixing_weight_share"].sum()
    assert np.allclose(sums, 1, atol=1e-6)

    memory, told = table("search.memory"), of(events, "memory")
    assert memory["used_bytes"].tolist() == [e["used_bytes"] for e in told]
    cut = table("search.cut")
    kept = of(events, "cut_confirmed")[-1]["mask"]
    assert set(cut.columns) >= {"cell", "source", "target", "operation", "kept"} and cut["kept"].sum() > 0 and kept
    at_last = ended[ended["epoch"] == ended["epoch"].max()]
    assert cut["kept"].sum() == len(at_last)
    print(f"tables of {len(alphas)} mixing weights, {len(memory)} samples of memory, {len(cut)} operations: as the journal")


main(*sys.argv[1:])
