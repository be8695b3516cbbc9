"""What must be known to judge and to repeat a study: study.json as lines of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visavis.report.tables import in_order
from visavis.report.words import HOW, date, measure_name, plural, setting, visible

# Facts of a model that have a column or a place of their own on the page.
MODEL_COLUMNS = {
    "image_size": "Input, px",
    "embed_dim": "Vector",
    "trained_on": "Trained on",
    "preprocessing": "Preprocessing",
    "engine": "Computed by",
    "license": "Licence",
    "fingerprint": "Weights' hash",
    "weights_sha256": "Weights' hash",
}


@dataclass(frozen=True, kw_only=True)
class MeasureFact:
    """How a measure was taken: in words, its settings common to all models, and those chosen for each."""

    name: str
    how: str
    settings: tuple[tuple[str, str], ...]


def facts(protocol: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(term, text) of everything about the data, the statistics and the machine that the study wrote down."""
    data, bootstrap = protocol.get("data", {}), protocol.get("bootstrap", {})
    arguments = protocol.get("arguments", {})
    found = [
        ("Data", _data(data)),
        ("Split", setting(data["split"]) if data.get("split") else ""),
        ("Views", setting(arguments.get("views", ()))),
        ("Fingerprint of the data", visible(data["fingerprint"]) if data.get("fingerprint") else ""),
        ("Intervals", _intervals(bootstrap, bool(data.get("groups")))),
        ("Tests", _tests(bool(data.get("groups")))),
        (
            "Tie groups",
            "from best to worst; a model joins the group of its first while the adjusted p stays at 0.05 or above",
        ),
        ("Seed", setting(protocol["seed"]) if "seed" in protocol else ""),
        ("Machine", setting(protocol.get("machine", {}))),
        ("Packages", setting(protocol.get("packages", {}))),
        ("Seconds taken", setting(protocol.get("seconds", {}))),
        (
            "Made",
            f"{date(protocol['created'])}, visavis {visible(protocol.get('visavis'))}"
            if protocol.get("created")
            else "",
        ),
    ]
    return [(term, text) for term, text in found if text]


def how_measured(protocol: Mapping[str, Any], taken: Sequence[str]) -> list[MeasureFact]:
    """Each measure that was taken, with what the protocol says of it."""
    settings = protocol.get("measures", {})
    return [
        MeasureFact(
            name=measure_name(measure),
            how=HOW.get(measure, ""),
            settings=tuple((key, _setting(key, value)) for key, value in settings.get(measure, {}).items() if value),
        )
        for measure in in_order([*taken, *(name for name in settings if settings[name].get("templates"))])
    ]


def model_columns(models: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The keys that at least one model has, with their heads, in the order of MODEL_COLUMNS."""
    return {key: head for key, head in MODEL_COLUMNS.items() if any(model.get(key) for model in models)}


def _setting(key: str, value: Any) -> str:
    """Prompts in quotes; what was chosen for each model, said once where it is the same for all."""
    if key == "templates":
        return ", ".join(f"“{visible(template)}”" for template in value)
    if isinstance(value, dict) and len(value) > 1 and len({setting(entry) for entry in value.values()}) == 1:
        return f"{setting(next(iter(value.values())))} for each of {len(value)} models"
    return setting(value)


def _data(data: Mapping[str, Any]) -> str:
    parts = [visible(data["name"])] if data.get("name") else []
    if "n_test" in data:
        groups = f", in {plural(data['groups'], 'group')}," if data.get("groups") else ""
        parts.append(f"{plural(data['n_test'], 'image')}{groups} tested")
    if "n_train" in data:
        parts.append(f"{plural(data['n_train'], 'image')} to learn from")
    if data.get("classes"):
        parts.append(plural(data["classes"], "class"))
    return ", ".join(parts)


def _tests(grouped: bool) -> str:
    what = (
        "exact test of each pair by flipping the signs of whole groups"
        if grouped
        else "exact McNemar test of each pair"
    )
    return f"{what} on the same images, adjusted after Holm for the pairs of its measure"


def _intervals(bootstrap: Mapping[str, Any], grouped: bool) -> str:
    if not bootstrap:
        return ""
    level, draws = bootstrap.get("level", 0.95), bootstrap.get("draws")
    resamples = f" ({draws:,} resamples)" if draws else ""
    return (
        f"{100 * level:g}%, by bootstrap over {'whole groups of ' * grouped}images{resamples}, within classes (small "
        "ones pooled), "
        "the same resamples for all models"
    )
