"""The package against the command: what one tells, the other tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import zonas

COMMAND = os.environ.get("ZONAS", "zonas")
ROOT = Path(__file__).resolve().parents[2]


def command(*words: str) -> str:
    return subprocess.run([COMMAND, *words], check=True, capture_output=True, text=True, env={**os.environ, "COMPLETE": ""}).stdout


def rows(table: Any) -> list[dict[str, Any]]:
    return table if isinstance(table, list) else table.to_dict("records")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of two epochs, and a training of one."""
    runs = tmp_path_factory.mktemp("runs")
    given = os.environ.get("ZONAS_RUNS")
    if given:
        return Path(given)
    small = []
    for setting in ("data.limit=200", "search.epochs=2", "search.batch=16", "search.channels=2", "score.draws=2"):
        small += ["--set", setting]
    command("run", "--preset", "demo", "--yes", "--foreground", "--runs", str(runs), "--name", "small", *small)
    return runs


def test_the_version_is_the_commands() -> None:
    assert command("--version").split()[1] == zonas.__version__


def test_the_command_of_the_module_is_the_command() -> None:
    told = subprocess.run([sys.executable, "-m", "zonas", "--version"], check=True, capture_output=True, text=True)
    assert told.stdout == command("--version")


def test_genotypes_are_read_from_any_text(tmp_path: Path) -> None:
    g = zonas.genotype("DARTS_V2")
    assert g.name.startswith("DARTS_V2") and g.normal[0] == ("sep_conv_3x3", 0) and g.normal_concat == (2, 3, 4, 5)
    assert zonas.genotype(g.python) == g == zonas.genotype(g.json) == zonas.genotype(str(g))
    file = tmp_path / "genotypes.py"
    other = zonas.genotype("DARTS_V1")
    file.write_text(f"A = {g.python}\nB = {other.python}\n")
    assert zonas.genotype(f"{file}:B") == other == zonas.genotype(file, which="B")
    log = tmp_path / "log.txt"
    log.write_text(f"epoch 1 {other.python}\nepoch 2 {g.python}\n")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert zonas.genotype(log) == g
    assert "which=" in str(told[0].message)
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
    assert str(zonas.genotype(cell)) == cell
    assert zonas.genotype(cell).normal[0] == ("nor_conv_3x3", 0)


@pytest.mark.parametrize("given", ["", "DARTS_V9", "Genotype(normal=[", "/nowhere/at/all.py"])
def test_what_is_no_genotype_is_an_error_in_a_sentence(given: str) -> None:
    with pytest.raises(zonas.Error) as e:
        zonas.genotype(given)
    assert len(str(e.value)) > 20 and "\n" not in str(e.value)


def test_counts_are_the_commands() -> None:
    told = json.loads(command("count", "DARTS_V2", "--channels", "16", "--cells", "8", "--classes", "100", "--json"))
    count = zonas.count("DARTS_V2", channels=16, cells=8, classes=100)
    assert (count.parameters, count.macs) == (told["parameters"], told["macs"])
    assert zonas.count("DARTS_V2").parameters == 3_349_342
    assert zonas.count(zonas.genotype("DARTS_V2"), auxiliary=True).parameters > 3_349_342
    with pytest.raises(zonas.Error):
        zonas.count("DARTS_V2", cells=0)


def test_a_run_is_what_the_command_shows(folder: Path) -> None:
    name = zonas.runs(folder)
    names = [r["run"] for r in rows(name)]
    assert names
    run = zonas.load(names[0], folder)
    shown = json.loads(command("show", names[0], "--json", "--runs", str(folder)))
    assert run.summary == shown
    assert (run.name, run.state) == (shown["run"], shown["state"])
    assert zonas.load(run.path).summary == shown
    assert run.settings is not None and run.settings["seed"] == shown["seed"]


def test_series_are_the_journals(folder: Path) -> None:
    searches = [r["run"] for r in rows(zonas.runs(folder)) if str(r.get("trains")) != "True"]
    run = zonas.load(searches[0], folder)
    events = list(run.events())
    ended = [e for e in events if "epoch_ended" in json.dumps(e)[:200]]
    losses = rows(run.losses)
    assert len(losses) == len(ended) > 0
    assert [row["epoch"] for row in losses] == list(range(1, len(losses) + 1))
    assert losses[-1]["valid_loss"] == pytest.approx(run.summary["valid_loss"])
    kept = sum(len(operations) for cell in run.kept.values() for operations in cell.values())
    assert kept == run.summary["kept"]
    alphas = rows(run.alphas)
    last = [a for a in alphas if a["epoch"] == len(losses)]
    assert len(last) == kept
    for edge in {(a["cell"], a["edge"]) for a in last}:
        weights = [a["weight"] for a in last if (a["cell"], a["edge"]) == edge]
        assert sum(weights) == pytest.approx(1)
    scores = rows(run.scores)
    assert {s["operation"] for s in scores if s["kept"]} >= {a["operation"] for a in last}
    assert all(isinstance(s["score"], float) for s in scores)
    assert set(run.summary["functions"]) <= set(scores[0])
    assert rows(run.steps)[0]["epoch"] == 1
    assert str(run.genotype) == rows(run.losses)[-1]["genotype"]


def test_runs_that_are_not_there_are_errors(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(zonas.Error, match="there is no run `other`"):
        zonas.load("other", folder)
    with pytest.raises(zonas.Error):
        zonas.load(tmp_path)
    assert len(rows(zonas.runs(tmp_path / "none"))) == 0


def test_scores_are_the_commands(tmp_path: Path) -> None:
    settings = {"score.draws": 2, "score": {"sample": 40}}
    ours = zonas.score("nas_bench_201", ["naswot", "nngp_frobenius"], seed=3, threads=1, preset="demo", settings=settings)
    assert ours.state == "stopped" and len(rows(ours.scores)) > 0
    words = ["--set", "score.draws=2", "--set", "score.sample=40", "--set", "score.functions=naswot,nngp_frobenius"]
    place = ["--runs", str(tmp_path), "--name", "same"]
    command("score", "--preset", "demo", "--space", "nas_bench_201", "--seed", "3", "--foreground", *words, *place)
    theirs = zonas.load("same", tmp_path)
    # As text, in which what is not a number is itself.
    assert repr(rows(ours.scores)) == repr(rows(theirs.scores))
    assert ours.kept == theirs.kept
    stays = zonas.score("nas_bench_201", ["naswot"], preset="demo", settings=settings, runs=tmp_path, name="stays")
    assert stays.path == tmp_path / "stays" and stays.path.is_dir()
    # The beginning of no other's name will do.
    assert zonas.load("st", tmp_path).name == "stays"
    with pytest.raises(zonas.Error, match="several runs"):
        zonas.load("s", tmp_path)
    (stays.path / "config.toml").write_text("seed = =\n")
    with pytest.warns(UserWarning, match="no settings"):
        assert zonas.load("stays", tmp_path).settings is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"functions": ["naswott"]}, "naswot"),
        ({"space": "dart"}, "darts"),
        ({"xi": 2.0}, "cut.xi"),
        ({"data": "/nowhere"}, "/nowhere"),
        ({"settings": {"score.drawss": 2}}, "drawss"),
        ({"preset": "dema"}, "dema"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(zonas.Error, match=told):
        zonas.score(**{"preset": "demo", **change})


def test_an_interrupt_stops_it() -> None:
    # Of a test that runs in the background a shell may have had interrupts ignored.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "import zonas; zonas.score(preset='darts', settings={'score.draws': 48})"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(3)
        child.send_signal(2)
        _, said = child.communicate(timeout=300)
    finally:
        child.kill()
    assert "KeyboardInterrupt" in said
