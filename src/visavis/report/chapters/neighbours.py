"""How alike models see images without labels, and each model's clusters in pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visavis.report.chapters.quality import pictures_of

if TYPE_CHECKING:
    from visavis.report.page import ReportTables


def neighbours(tables: ReportTables) -> dict[str, Any]:
    """For each model its clusters, the largest first, with the pictures from their middles."""
    pictures = pictures_of(tables.thumbnails)
    shown = tables.chapters["clusters_shown"]
    clusters = []
    for model, sizes in tables.chapters["clusters"].groupby("model", sort=False):
        own = shown[shown["model"] == model]
        middles = own.groupby("cluster")["sample"].agg(list)
        rows = [
            (cluster, images, [pictures[name] for name in middles.get(cluster, []) if name in pictures])
            for cluster, images in zip(sizes["cluster"], sizes["images"], strict=True)
        ]
        clusters.append((model, rows))
    return {"pairs": list(tables.chapters["neighbours"].itertuples(index=False)), "clusters": clusters}
