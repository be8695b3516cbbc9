"""Maps of the test images, one a model, drawn from the places that the study saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.pictures import data_uri

if TYPE_CHECKING:
    import pandas as pd

    from visavis.report.page import ReportTables

SIDE = 1000  # of a map, in its own units
MARGIN = 30


def maps(tables: ReportTables) -> dict[str, Any]:
    """For each model the points of each colour as one path, and the places of those whose pictures are shown."""
    places = tables.chapters["maps"]
    reach = max(float(places[["x", "y"]].abs().to_numpy().max()), 1e-9)
    half = SIDE / 2 - MARGIN
    drawn = places.assign(
        across=(SIDE / 2 + places["x"] / reach * half).round().astype(int),
        down=(SIDE / 2 - places["y"] / reach * half).round().astype(int),
        pictured=places["pictured"].astype(str) == "True",
    )
    pictures = _pictures(tables.thumbnails, drawn)
    fits = {row.model: row for row in tables.chapters["maps_fit"].itertuples(index=False)}
    named = places[places["label"].astype(str) != ""].drop_duplicates("colour").sort_values("colour")
    return {
        "side": SIDE,
        "maps": [
            (fits[model], _paths(own), _spots(own, pictures)) for model, own in drawn.groupby("model", sort=False)
        ],
        "pictures": list(pictures.values()),
        "legend": list(zip(named["colour"], named["label"], strict=True)),
        "points": places["sample"].nunique(),
    }


def _paths(own: pd.DataFrame) -> list[tuple[Any, str]]:
    """(colour, path): a stroke of no length is a dot, and a thousand of them are one element of the page."""
    return [
        (colour, "".join(f"M{across} {down}h0" for across, down in zip(of["across"], of["down"], strict=True)))
        for colour, of in own.groupby("colour")
    ]


def _spots(own: pd.DataFrame, pictures: dict[str, dict[str, Any]]) -> list[tuple[int, int, dict[str, Any]]]:
    shown = own[own["sample"].isin(pictures)]
    return [(row.across, row.down, pictures[str(row.sample)]) for row in shown.itertuples(index=False)]


def _pictures(thumbnails: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Of the samples whose pictures the chapter shows and the study kept: number, name, label, colour, picture."""
    colours = drawn[drawn["pictured"]].drop_duplicates("sample").set_index("sample")["colour"]
    kept = [row for row in thumbnails.itertuples(index=False) if row.sample in colours.index]
    return {
        str(row.sample): {
            "number": number, "name": row.name, "label": row.label, "colour": int(colours[row.sample]),
            "uri": data_uri(row.image),
        }
        for number, row in enumerate(kept)
    }  # fmt: skip
