"""Maps and tests of them as explain makes them, with names that attack a page; no network is run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from visavis.inspection.explain.records import Method, Saliency, Trial, Trust

HOSTILE = "<script>alert(1)</script>\n\u202e\"&'🦊"
NAN = float("nan")


def a_map(place: tuple[int, int] = (8, 20), side: int = 32, against: bool = False) -> np.ndarray:
    """A blot of what speaks for the target, and where asked one of what speaks against it in the opposite corner."""
    rows, columns = np.mgrid[:side, :side]

    def blot(row: int, column: int) -> np.ndarray:
        return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 30)

    values = blot(*place)
    return (values - blot(side - place[0], side - place[1]) if against else values).astype(np.float32)


def a_saliency(model: str = "ViT-mini-8.emoji", method: Method = "relevance", side: int = 32) -> Saliency:
    picture = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    return Saliency(
        model=model,
        method=method,
        target='text "a dog"',
        score=-0.07,
        unit="cosine",
        map=a_map(side=side),
        picture=picture,
    )


def saliencies() -> list[Saliency]:
    """Two models, one of a hostile name; three maps, one of them with what speaks against, words and notes."""
    first = a_saliency()
    return [
        first,
        replace(
            first,
            target=f'text "{HOSTILE}"',
            score=0.31,
            words=(("a", 0.5), (HOSTILE, 2.0), ("dog", 0.0)),
            notes=(f"The text fills all 16 tokens that {HOSTILE!r} reads: what goes beyond is cut off.",),
        ),
        replace(
            a_saliency(model=f"files/{HOSTILE}.safetensors", method="occlusion", side=48),
            target=f"class {HOSTILE}",
            unit="logit",
            score=12.3456,
            map=a_map(side=48, against=True),
        ),
    ]


def a_trust(model: str = "ViT-mini-8.emoji", method: Method = "relevance", passes: bool | None = True) -> Trust:
    """A method that passes all tests; that fails two of them; or whose localisation could not be measured."""
    good = passes is not False
    located = Trial(
        test="localisation", value=0.82, low=0.78, high=0.86, n=100, limit=0.5, passes=True, said="seen <b>"
    )
    if passes is None:
        located = replace(
            located, value=NAN, low=NAN, high=NAN, n=3, passes=None, said="3 of 2000 known: fewer than 10"
        )
    shares = tuple(np.linspace(0, 1, 17).tolist())
    falling, rising = tuple(1 - share for share in shares), shares
    lost = 0.1 if good else 0.9
    kept = Trial(test="randomisation", value=lost, low=lost - 0.05, high=lost + 0.05, n=25, limit=0.5, passes=good)
    deletion = Trial(test="deletion", value=-0.2, low=-0.25, high=-0.15, n=50, limit=0.0, passes=True)
    gain = 0.1 if good else -0.1
    insertion = Trial(test="insertion", value=gain, low=gain - 0.05, high=gain + 0.05, n=50, limit=0.0, passes=good)
    return Trust(
        model=model,
        method=method,
        trials=(located, kept, deletion, insertion),
        randomised=(0.5, 0.4, 0.3, 0.2, 0.1, lost),
        shares=shares,
        curves={"deletion": falling, "insertion": rising, "random deletion": falling, "random insertion": rising},
        examples=(replace(a_saliency(model, method), target=f"text {HOSTILE}", notes=("It is at the top left.",)),),
    )


def trusts() -> list[Trust]:
    """Two models; methods that pass, fail and could not be tested in full."""
    hostile = f"files/{HOSTILE}.safetensors"
    return [
        a_trust(),
        a_trust(method="occlusion", passes=False),
        a_trust(model=hostile, method="grad_cam", passes=None),
        a_trust(model=hostile, method="occlusion"),
    ]
