"""One image, one network, one question: the map of what speaks for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from visavis.engine.encoder import Encoder, load
from visavis.engine.pictures import ImageLike, as_picture
from visavis.errors import UsageError, VisavisError, did_you_mean
from visavis.inspection.explain.maps import check_method, methods_of, relevance_maps, spread_over
from visavis.inspection.explain.records import METHODS, Method, Saliency
from visavis.inspection.explain.target import Target, choose_targets
from visavis.inspection.explain.words import word_relevance


def explain(encoder: Encoder, image: ImageLike, target: Target, method: Method | None = None) -> Saliency:
    """Where in an image a network finds what it is asked for.

    Args:
        encoder: The network, of any library.
        image: Path, bytes, Pillow image or array.
        target: From `visavis.inspection.explain.target`: a text, a class, the image's own embedding.
        method: One of `methods_of(encoder)`, its first when None.

    Raises:
        UsageError: The method does not fit the network, or there is no such image.
        VisavisError: The map is not finite.
    """
    method = method or methods_of(encoder)[0]
    check_method(encoder, method)
    picture = encoder.preprocessing.pixels(as_picture(image))  # uint8 [side, side, 3]
    pixels = encoder.preprocess(picture)[None]  # the second time, nothing is left to resize
    features = encoder.trace_pixels(pixels).detach()  # [1, embed_dim]
    grids = relevance_maps(encoder, pixels, target.score, method)  # [1, rows, columns]
    spread = spread_over(grids, len(picture))
    if not spread.isfinite().all():
        raise VisavisError(
            f"The map of {encoder.name!r} by {method!r} holds values that are no numbers: its weights, or its vector "
            "of this image, are damaged. `visavis doctor` tests a file of weights."
        )
    return Saliency(
        model=encoder.name,
        method=method,
        target=target.name,
        score=float(target.score(features)),
        unit=target.unit,
        map=spread[0].numpy(),
        picture=picture,
        words=word_relevance(encoder, target.text, features) if target.text is not None else (),
        notes=target.notes,
    )


def explain_image(
    models_and_image: Sequence[str],
    texts: Sequence[str] = (),
    classes: Sequence[str] = (),
    method: str | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> list[Saliency]:
    """The maps of models called by name, for one image.

    Args:
        models_and_image: Names or files of models, and last the image's file.
        texts: What CLIPs are asked for.
        classes: What supervised models are asked for.
        method: For all models; each one's own when None.
        progress: Called with a stage's name, how much is done and how much there is.

    Raises:
        UsageError: No model, no image, an unknown name, or nothing that was asked for can be asked of a model.
        VisavisError: An image or weights that cannot be read.
    """
    *names, place = models_and_image or ("",)
    if not names:
        raise UsageError("Give one model or several, and last the image: visavis explain ViT-mini-8.emoji dog.png")
    if not Path(place).exists():
        raise UsageError(f"There is no image {place!r}: the last argument is the image that the models look at.")
    if method is not None and method not in METHODS:
        raise UsageError(f"There is no method {method!r}. {did_you_mean(method, METHODS)}")
    picture = as_picture(place)
    made: list[Saliency] = []
    for number, name in enumerate(names):
        made += explain_all([load(name)], picture, texts, classes, method)
        progress("explaining", number + 1, len(names))
    return made


def explain_all(
    encoders: Iterable[Encoder], image: ImageLike, texts: Sequence[str], classes: Sequence[str], method: Method | None
) -> Iterator[Saliency]:
    """The maps of several networks, each for all that it can be asked. Raises as `explain` and `choose_targets` do."""
    picture = as_picture(image)
    for encoder in encoders:
        features = encoder.encode_pixels(encoder.preprocess(picture)[None]).clone()
        for target in choose_targets(encoder, features, texts, classes):
            yield explain(encoder, picture, target, method)
