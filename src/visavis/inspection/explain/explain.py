"""One image, one network, several questions: the maps of what speaks for the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from visavis.data.decoding import UnreadableImage
from visavis.engine.encoder import Encoder
from visavis.engine.load import load
from visavis.engine.pictures import ImageLike, as_picture
from visavis.errors import UsageError, VisavisError
from visavis.inspection.explain.maps import as_method, choose_mapper, spread_over
from visavis.inspection.explain.records import Saliency
from visavis.inspection.explain.target import check_answered, choose_targets
from visavis.inspection.explain.words import word_relevance


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
        UsageError: No model, no image, an unknown name, a method that does not fit, or a question that no model can
            answer.
        VisavisError: An image or weights that cannot be read.
    """
    *names, place = models_and_image or ("",)
    if not names:
        raise UsageError(
            "Give one model or several, and last the image, as in `visavis explain ViT-mini-8.emoji dog.png`."
        )
    if not Path(place).exists():
        raise UsageError(f"There is no image {place!r}: the last argument is the image that the models look at.")
    if method is not None:
        as_method(method)  # says now, before weights are loaded, if there is no such method
    try:
        picture = as_picture(place)
    except UnreadableImage as error:
        raise UnreadableImage(f"{error}. Give a file that other programs show, such as a PNG, JPEG or WebP.") from error
    made: list[Saliency] = []
    for number, name in enumerate(names):
        made += explain(load(name), picture, texts, classes, method)
        progress("explaining", number + 1, len(names))
    check_answered(texts, classes, {one.unit for one in made})
    return made


def explain(
    encoder: Encoder,
    image: ImageLike,
    texts: Sequence[str] = (),
    classes: Sequence[str] = (),
    method: str | None = None,
) -> list[Saliency]:
    """Where in an image a network finds what it is asked for, one map for each question.

    Args:
        encoder: The network, of any library.
        image: Path, bytes, Pillow image or array.
        texts: Asked of a network that reads.
        classes: Asked of one with classes. Without a question for it, a network says what it sees: its prediction, or
            what its embedding of the image is made of.
        method: Its default when None.

    Raises:
        UsageError: The method does not fit the network, a class is unknown, a text is empty, or there is no such image.
        VisavisError: The map is not finite.
    """
    picture = encoder.preprocessing.pixels(as_picture(image))  # uint8 [side, side, 3]
    pixels = torch.from_numpy(encoder.preprocessing.normalise(picture[None]))  # [1, 3, side, side]
    with torch.no_grad():
        features = encoder.trace_pixels(pixels)  # [1, embed_dim]
    targets = choose_targets(encoder, features, texts, classes)
    name, mapper = choose_mapper(encoder, method)
    made = []
    for target in targets:
        spread = spread_over(mapper(pixels, target.score), len(picture))
        if not spread.isfinite().all():
            raise VisavisError(
                f"The map of {encoder.name!r} by {name!r} holds values that are no numbers: its weights, or its vector "
                "of this image, are damaged. `visavis doctor` tests a file of weights."
            )
        made.append(
            Saliency(
                model=encoder.name,
                method=name,
                target=target.name,
                score=float(target.score(features)),
                unit=target.unit,
                map=spread[0].numpy(),
                picture=picture,
                words=word_relevance(encoder, target.text, features) if target.text is not None else (),
                notes=target.notes,
            )
        )
    return made
