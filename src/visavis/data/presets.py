"""Names that stand for several views: ImageNet-C's corruptions, levels of shape and texture, invariances."""

from __future__ import annotations

from collections.abc import Sequence

from visavis.data.changes.kinds import SEVERITIES
from visavis.errors import UsageError

# Groups of Hendrycks and Dietterich 2019, section 4.
CORRUPTIONS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
LEVELS = {
    "patch_shuffle": (2, 4, 8, 16),
    "low_pass": (32, 16, 8, 4),
    "high_pass": (4, 8, 16, 32),
    "occlusion": (25, 50, 75),
}
OUTLINES = ("silhouette", "edges", "retextured")
INVARIANCE = (
    "mirror", "upside_down", "rotate:15", "rotate:45", "rotate:90", "shift:10", "shift:25", "shrink:75", "shrink:50",
    "grayscale", "hue:90", "hue:180", "exposure:50", "exposure:150",
)  # fmt: skip
PRESETS = ("corruptions", *CORRUPTIONS, "levels", "invariance")


def expand_views(names: Sequence[str]) -> tuple[str, ...]:
    """Names of single views for names that may stand for several; each once, in order.

    A set brings "clean" with it, in front, since it is compared with the unchanged images. A set of corruptions at one
    severity has it behind a colon.

    Raises:
        UsageError: A severity that is none, or a level behind a set that has no severities.

    >>> expand_views(["noise:3"])
    ('clean', 'gaussian_noise:3', 'shot_noise:3', 'impulse_noise:3')
    """
    expanded: list[str] = []
    for name in names:
        if name.partition(":")[0] in PRESETS:
            expanded += ["clean", *_members(name)]
        else:
            expanded.append(name)
    return tuple(dict.fromkeys(expanded))


def _members(name: str) -> list[str]:
    preset, colon, severity = name.partition(":")
    if preset in ("levels", "invariance"):
        if colon:
            raise UsageError(
                f"The views {preset!r} have levels of their own: write {preset} without {colon + severity!r}."
            )
        levels = [f"{kind}:{level}" for kind, own in LEVELS.items() for level in own]
        return [*levels, *OUTLINES] if preset == "levels" else list(INVARIANCE)
    if colon and severity not in map(str, SEVERITIES):
        raise UsageError(f"The views {name!r} want a severity from 1 to 5 behind the colon, such as {preset}:3.")
    kinds = CORRUPTIONS.get(preset) or [kind for group in CORRUPTIONS.values() for kind in group]
    chosen = [int(severity)] if colon else SEVERITIES
    return [f"{kind}:{one}" for kind in kinds for one in chosen]
