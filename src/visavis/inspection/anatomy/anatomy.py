"""A network, opened: `visavis.inspect`.

>>> import visavis
>>> anatomy = visavis.inspect("resnet50")
>>> anatomy.params, [part.title for part in anatomy.stages][:2]
(25557032, ['Stem', 'Stage 1'])
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import nn

from visavis.inspection.anatomy.growth import Growth, growth_of, growth_of_module
from visavis.inspection.anatomy.parts import parts_of
from visavis.inspection.anatomy.rules import rules_of
from visavis.inspection.anatomy.subjects import Subject, subject_of
from visavis.inspection.anatomy.tracing import Trace, trace_images, trace_texts
from visavis.inspection.anatomy.tree import Layer, Part, Rule, Tower
from visavis.inspection.cost import count_params

if TYPE_CHECKING:
    import pandas as pd

    from visavis.engine.encoder import Encoder

COUNTED = (
    "Counted as multiply-accumulates (1 MAC = 2 FLOPs) are convolutions, linear layers and matrix products, "
    "attention's two included; not norms, activations, pooling and sums."
)


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A network layer by layer.

    Attributes:
        name: As asked for.
        family: As `Encoder.family`; "other" for any other module.
        settings: Its configuration in words.
        towers: The image tower, and the text tower where there is one.
        params: Of all towers and what lies between, such as the logit scale.
        rules: How its famous numbers are counted.
        growth: What an image costs at other sizes.
        notes: What is missing, and why.
    """

    name: str
    family: str
    settings: str
    towers: tuple[Tower, ...]
    params: int
    rules: tuple[Rule, ...]
    growth: tuple[Growth, ...]
    notes: tuple[str, ...]

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates of one image through the image tower; None where something in it is unknown."""
        return self.towers[0].root.macs

    @property
    def text_macs(self) -> int | None:
        """The same of one text of full length; None without a text tower."""
        return self.towers[1].root.macs if len(self.towers) > 1 else None

    @property
    def stages(self) -> tuple[Part, ...]:
        """The image tower's large steps, stem and head included."""
        return self.towers[0].parts

    @property
    def kinds(self) -> Counter[str]:
        """How many modules of each kind the image tower has; one that runs several times is one."""
        modules = (layer for layer in self.towers[0].root.walk() if layer.is_module and "#" not in layer.name)
        return Counter(layer.kind for layer in modules)

    @property
    def layers(self) -> pd.DataFrame:
        """A row a layer, parents before children, in order of execution.

        Columns: `tower`, `name`, `kind`, `settings`, `output_shape` (a tuple without the batch), `params`, `macs`,
        `flops`, `activation_bytes` (float32), `receptive_field` and `stride` in pixels, `centre`, `runs`; a parent's
        numbers hold its children's. Empty where a number is unknown or has no meaning. See `Layer`.
        """
        import pandas as pd

        rows = [_row(tower, layer) for tower in self.towers for layer in tower.root.walk()]
        whole = ("params", "macs", "flops", "activation_bytes", "receptive_field", "stride", "runs")
        return pd.DataFrame(rows).astype(dict.fromkeys(whole, "Int64") | {"centre": "Float64"})

    def to_json(self) -> str:
        """Everything, as the page shows it."""
        from visavis.report.anatomy import to_json

        return to_json([self])

    def to_svg(self) -> str:
        """A drawing of the network and of the blocks that it repeats, made from its layers."""
        from visavis.report.anatomy import figure_svg

        return figure_svg(self)

    def to_html(self) -> str:
        """The page, for this network alone; one file that needs no other."""
        from visavis.report.anatomy import render_page

        return render_page([self])


def inspect(model: str | nn.Module | Encoder, image_size: int | None = None) -> Anatomy:
    """A network, opened layer by layer; its weights are neither needed nor touched.

    Args:
        model: A name from `visavis.list_models()`, a file of weights, another library's network (timm/NAME,
            open_clip/NAME, hf/REPOSITORY), an `Encoder`, or any torch.nn.Module whose forward takes images.
        image_size: Side of the images in pixels, where it is not the network's own; 224 for a bare module.

    Raises:
        UsageError: An unknown name, the nearest ones are offered; or a size that the network cannot take.

    A module that cannot be run without its numbers still gives its modules and parameters; `notes` say what is missing.

    >>> f"{inspect('ViT-B-16').macs / 1e9:.2f} G"
    '17.56 G'
    """
    subject = subject_of(model, image_size)
    traces: list[tuple[Literal["image", "text"], Trace]] = [("image", trace_images(subject.image, subject.image_size))]
    if subject.text is not None:
        text = subject.text
        traces.append(("text", trace_texts(text.module, text.context_length, text.method)))
    towers = tuple(
        Tower(kind=kind, input_shape=trace.input_shape, root=trace.root, parts=parts_of(trace.root))
        for kind, trace in traces
    )
    growth = _growth(subject, towers[0])
    notes = [note for kind, trace in traces for note in _notes(kind, trace)]
    if not growth and towers[0].root.macs is not None:
        notes.append(
            f"Cost against image size is missing: the network takes images of {subject.image_size} pixels alone."
        )
    return Anatomy(
        name=subject.name,
        family=subject.family,
        settings=subject.settings,
        towers=towers,
        params=count_params(subject.model),
        rules=rules_of(towers),
        growth=growth,
        notes=tuple(notes),
    )


def _growth(subject: Subject, tower: Tower) -> tuple[Growth, ...]:
    if subject.config is not None:
        return growth_of(subject.config)
    if tower.root.macs is None:
        return ()
    stages = [part.output_shape for part in tower.parts if part.role == "stage"]
    shape = stages[-1] if stages else ()
    places = math.prod(shape[1:]) if len(shape) == 3 else shape[0] if shape else 0
    return growth_of_module(subject.image, subject.image_size, tower.input_shape[0], places)


def _notes(kind: str, trace: Trace) -> list[str]:
    if trace.failure is not None:
        return [
            f"Of the {kind} tower only modules and parameters are known; shapes, multiply-accumulates, receptive "
            "fields and the ways between layers are missing. It could not be run without numbers "
            f"({trace.failure}), as where these decide what runs, where it takes another input or image size, or where "
            "it cannot be watched."
        ]
    if trace.root.unknown:
        return [
            f"Multiply-accumulates of the {kind} tower are not known: there is no rule to count "
            f"{', '.join(trace.root.unknown)}."
        ]
    return []


def _row(tower: Tower, layer: Layer) -> dict[str, object]:
    return {
        "tower": tower.kind,
        "name": layer.name,
        "kind": layer.kind,
        "settings": layer.settings,
        "output_shape": layer.output_shape,
        "params": layer.params,
        "macs": layer.macs,
        "flops": None if layer.macs is None else 2 * layer.macs,
        "activation_bytes": layer.activation_bytes,
        "receptive_field": layer.receptive_field,
        "stride": layer.stride,
        "centre": layer.centre,
        "runs": layer.runs,
    }
