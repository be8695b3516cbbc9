"""How long the encoding of a study will take, said before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from visavis.data.views import parse_view
from visavis.engine.embed import count_missing
from visavis.engine.encoder import Encoder
from visavis.engine.pictures import read_picture
from visavis.inspection.cost import images_per_second
from visavis.progress import duration
from visavis.study.plan import Plan
from visavis.study.tuning import TUNED, seconds_to_tune

RATED = 16  # images that a model is timed on; a sixth of a minute for the largest ones
WARM_UP = 2


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is to be encoded.

    Attributes:
        missing: Images, of all models and views together, that are not in the cache yet.
        kept: Those that are.
        seconds: About how long the missing ones take on this machine, as it goes now.
        tuning: Seconds of training, where measures were named that change the networks.
    """

    missing: int
    kept: int
    seconds: float
    tuning: float = 0.0

    def in_words(self) -> str:
        """One paragraph for the user who waits."""
        tuning = f" Training takes about {duration(self.tuning)} more." if self.tuning else ""
        if not self.missing:
            return f"All {self.kept:,} vectors are kept from before: nothing is to be encoded.{tuning}"
        kept = f"; {self.kept:,} vectors are kept from before" if self.kept else ""
        return (
            f"Encoding takes about {duration(max(1, self.seconds))}: {self.missing:,} images, of all models and views "
            f"together{kept}.{tuning} Timing, measures and chapters come on top."
        )


def estimate(plan: Plan, cache: Path) -> Estimate:
    """Counts what the cache lacks, and times each model that has work left on a few images. Raises VisavisError."""
    missing, total, seconds, tuning = 0, 0, 0.0, 0.0
    trained = {measure for measure in TUNED if plan.wants(measure)}
    shown = [(plan.part("train"), parse_view("clean")), *((plan.part("test"), view) for view in plan.views)]
    for encoder in plan.encoders:
        total += sum(len(samples) for samples, _ in shown)
        own = sum(count_missing(encoder, samples, view, cache) for samples, view in shown)
        missing += own
        seconds += own / _rate(encoder, plan) if own else 0
        tuning += seconds_to_tune(encoder, len(plan.part("train")), len(plan.classes), trained) if trained else 0
    return Estimate(missing=missing, kept=total - missing, seconds=seconds, tuning=tuning)


def _rate(encoder: Encoder, plan: Plan) -> float:
    """Images a second on some of the user's own, decoding included."""
    samples = plan.part("test")[:RATED]
    encode = partial(_decode_and_encode, encoder, samples)
    _decode_and_encode(encoder, samples[:WARM_UP])
    return images_per_second(encode, len(samples))


def _decode_and_encode(encoder: Encoder, samples: tuple) -> object:
    return encoder.encode_images([read_picture(sample) for sample in samples])
