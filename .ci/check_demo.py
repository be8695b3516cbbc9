"""Checks what `visavis demo` wrote: files, sizes, intervals, and that every accuracy follows from the predictions."""

import json
import sys
from pathlib import Path

import pandas as pd

from visavis.zoo.catalogue import EMBEDDED

out = Path(sys.argv[1])
study = json.loads((out / "study.json").read_text("utf-8"))
results = pd.read_csv(out / "results.csv")
pairs = pd.read_csv(out / "pairs.csv")
effects = pd.read_csv(out / "effects.csv")
predictions = pd.read_parquet(out / "predictions.parquet")

size = (out / "report.html").stat().st_size
assert 50_000 < size < 8_000_000, f"report.html has {size} bytes"
assert study["verdict"].strip(), "the verdict is empty"
assert [model["name"] for model in study["models"]] == list(EMBEDDED), study["models"]
assert not study["data"]["skipped"], study["data"]["skipped"]
assert study["seconds"]["total"] <= 90, f"the demo took {study['seconds']['total']} s"
assert set(effects["effect"]) == {"architecture", "training", "interaction"}, effects
assert "naming" in set(effects["measure"]), effects
assert len(pairs)
assert pairs["p_adjusted"].between(0, 1).all()

accuracy = results[results["metric"] == "accuracy"].set_index(["model", "view", "measure"])
recomputed = (
    (predictions["predicted"] == predictions["label"])
    .groupby([predictions["model"], predictions["view"], predictions["measure"]])
    .mean()
)
assert len(accuracy) == len(recomputed) > 0
for key, value in recomputed.items():
    row = accuracy.loc[key]
    assert abs(row["value"] - value) < 1e-12, (key, row["value"], value)
    assert row["low"] <= value <= row["high"], (key, row)

naming = accuracy.xs("naming", level="measure")["value"]
assert (naming > 20 / study["data"]["classes"]).all(), f"a model names no better than twenty times chance: {naming}"
print(
    f"demo checked: {len(predictions)} predictions, {len(accuracy)} accuracies recomputed, report {size / 1e6:.2f} MB"
)
