"""Why models differ: on which kinds of images one is ahead of another.

The leading model is compared with each other one. For every trait of the pictures one test asks whether the lead
changes with it; further tests ask who is ahead within each third of the trait, and within each class. All of a kind
are corrected together (Holm), so that among many traits chance finds none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import stdtr
from scipy.stats import rankdata

from visavis.data.dataset import Sample
from visavis.engine.pictures import read_picture
from visavis.evaluate.scores import NotMeasurable
from visavis.evaluate.text_in_pictures import text_reader
from visavis.evaluate.traits import traits_of
from visavis.report.tables import headline
from visavis.study.answers import Answers, answers_of
from visavis.study.bootstrap import Resampling, estimate_accuracies, estimate_contrasts, group_sums
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.paired_tests import sign_flip
from visavis.study.pairs import holm
from visavis.study.power import ALPHA
from visavis.study.wording import p_in_words, points_with_interval

SIDE = 256  # pixels of the longer side that traits are measured at
FEWEST = 10  # images of a part, and images on which exactly one model is right
PARTS = ("lowest", "middle", "highest")
EXTREMES = 4  # pictures of each end of a trait


def why(material: Material) -> Chapter:
    """The leading model against each other one, by traits of the pictures and by class.

    Returns:
        why: model_a (the leading one), model_b, trait, change (of the lead, from the lowest third to the highest), low,
            high, p_value (that the lead follows the trait), p_adjusted, n.
        why_parts: model_a, model_b, trait ("class" for classes), part, least, most (of the trait), a, b (right
            answers), difference, low, high, n, p_value, p_adjusted.
        why_pictures: trait, end ("lowest" or "highest"), place, sample, value.
    """
    view, measure = headline(material.results)
    answers = answers_of(material.predictions)
    columns = answers.families()[view, measure]
    rows = material.results[(material.results["metric"] == "accuracy") & (material.results["measure"] == measure)]
    rows = rows[rows["view"] == view].sort_values("value", ascending=False, kind="stable")
    best, *others = rows["model"]
    samples = {sample.id: sample for sample in material.plan.part("test")}
    ids = np.unique(material.predictions.loc[material.predictions["draw"] == 0, "sample"])  # the order of `answers`
    traits = _measure([samples[name] for name in ids], material)
    resampling = Resampling(seed=material.plan.seed)
    trends, parts = [], []
    for other in others:
        right = answers.right[:, [columns[best], columns[other]]]  # [images, 2]
        if np.abs(np.nan_to_num(right[:, 0] - right[:, 1])).sum() < FEWEST:
            continue
        named = {"model_a": best, "model_b": other}
        trends += [named | one for one in _trends(right, traits, answers, resampling)]
        parts += [named | one for one in _parts(right, traits, answers, ids, samples, resampling)]
    if not parts:
        raise NotMeasurable(
            f"To tell why models differ takes two of which one is right alone on {FEWEST} images, and thirds of the "
            f"images with {FEWEST} each."
        )
    table, by_part = pd.DataFrame(trends), pd.DataFrame(parts)
    for tests in (table, by_part):
        tests["p_adjusted"] = holm(tests["p_value"].to_numpy())
    pictures = _extremes(traits, ids)
    return Chapter(
        tables={"why": table, "why_parts": by_part, "why_pictures": pictures},
        headline=_headline(table, by_part),
        says=_says(table, by_part),
        pictures=tuple(dict.fromkeys(pictures["sample"])),
    )


def _measure(samples: Sequence[Sample], material: Material) -> pd.DataFrame:
    """A row an image, a column a trait; traits that all images share are left out."""
    rows = []
    text = text_reader() if material.plan.text else None
    with ThreadPoolExecutor(2) as pool:
        for done, traits in enumerate(pool.map(partial(_traits, text), samples), start=1):
            rows.append(traits)
            if done % 256 == 0 or done == len(samples):
                material.progress("traits of the pictures", done, len(samples))
    table = pd.DataFrame(rows)
    return table.loc[:, table.nunique() > 1]


def _traits(text: Callable[[np.ndarray], float] | None, sample: Sample) -> dict[str, float]:
    picture = read_picture(sample, at_least=SIDE)
    size = picture.size
    picture.thumbnail((SIDE, SIDE))
    pixels = np.asarray(picture)
    return traits_of(pixels, size) | ({} if text is None else {"text": text(pixels)})


def _trends(
    right: np.ndarray, traits: pd.DataFrame, answers: Answers, resampling: Resampling
) -> list[dict[str, object]]:
    """Whether the lead follows each trait, and how much larger it is in the highest third than in the lowest."""
    asked = ~np.isnan(right).any(axis=1)
    lead = np.where(asked, right[:, 0] - right[:, 1], np.nan)
    found = []
    for name in traits:
        third = _thirds(traits[name].to_numpy())
        weights = (third == 2) / max((third[asked] == 2).mean(), 1e-9) - (third == 0) / max(
            (third[asked] == 0).mean(), 1e-9
        )
        change = estimate_contrasts(
            (lead * weights)[:, None], answers.strata, np.abs(weights[None]).max(axis=1), resampling
        )
        found.append(
            {
                "trait": name, "change": change.value[0], "low": change.low[0], "high": change.high[0],
                "n": int(asked.sum()),
                "p_value": trend_p_value(lead[asked], traits[name].to_numpy()[asked], answers.strata[asked]),
            }
        )  # fmt: skip
    return found


def trend_p_value(lead: np.ndarray, trait: np.ndarray, strata: np.ndarray) -> float:
    """Two-sided p-value that a difference of right answers follows the ranks of a trait.

    A score test whose variance counts whole groups (Liang and Zeger 1986), by Student's law for as many groups.

    Args:
        lead: -1, 0 or 1, [images].
        trait: [images].
        strata: Of `strata_of`.
    """
    ranks = rankdata(trait)
    products = ((lead - lead.mean()) * (ranks - ranks.mean()))[:, None]
    sums = group_sums(products, strata)[:, 0]
    deviation = np.sqrt((sums**2).sum())
    if deviation == 0:
        return 1.0
    return float(2 * stdtr(len(sums) - 1, -abs(sums.sum()) / deviation))


def _parts(
    right: np.ndarray,
    traits: pd.DataFrame,
    answers: Answers,
    ids: np.ndarray,
    samples: dict[str, Sample],
    resampling: Resampling,
) -> list[dict[str, object]]:
    """Who is ahead within each third of a trait, and within each class of at least `FEWEST` images."""
    cuts: list[tuple[str, str, np.ndarray, float, float]] = []
    for name in traits:
        values = traits[name].to_numpy()
        third = _thirds(values)
        for number, part in enumerate(PARTS):
            inside = third == number
            if inside.any():
                cuts.append((str(name), part, inside, values[inside].min(), values[inside].max()))
    labels = np.array([samples[name].label or "" for name in ids])
    cuts += [("class", str(label), labels == label, np.nan, np.nan) for label in sorted(set(labels) - {""})]
    asked = ~np.isnan(right).any(axis=1)
    found = []
    for trait, part, inside, least, most in cuts:
        own = inside & asked
        if own.sum() < FEWEST:
            continue
        strata, pair = answers.strata[own], right[own]
        lead = pair[:, 0] - pair[:, 1]
        shares = estimate_accuracies(pair, np.ones_like(pair), strata, resampling)
        gap = estimate_contrasts(lead[:, None], strata, np.ones(1), resampling)
        found.append(
            {
                "trait": trait, "part": part, "least": least, "most": most, "a": shares.value[0], "b": shares.value[1],
                "difference": gap.value[0], "low": gap.low[0], "high": gap.high[0], "n": int(own.sum()),
                "p_value": float(sign_flip(group_sums(lead[:, None], strata))[0]),
            }
        )  # fmt: skip
    return found


def _thirds(values: np.ndarray) -> np.ndarray:
    """0, 1 or 2 for each image: equal values stay together, and where only two parts have images they are the ends."""
    ranks = rankdata(values, method="average") / (len(values) + 1)
    third = np.minimum((3 * ranks).astype(int), 2)
    parts, number = np.unique(third, return_inverse=True)
    return 2 * number if len(parts) == 2 else third


def _extremes(traits: pd.DataFrame, ids: np.ndarray) -> pd.DataFrame:
    rows = []
    for name in traits:
        order = np.argsort(traits[name].to_numpy(), kind="stable")
        for end, chosen in (("lowest", order[:EXTREMES]), ("highest", order[::-1][:EXTREMES])):
            rows += [(name, end, place, ids[row], traits[name].iloc[row]) for place, row in enumerate(chosen)]
    return pd.DataFrame(rows, columns=["trait", "end", "place", "sample", "value"])


def _headline(table: pd.DataFrame, parts: pd.DataFrame) -> str:
    """The trait that the lead follows most surely; or that none is shown."""
    first = table.sort_values("p_adjusted", kind="stable").iloc[0]
    if first["p_adjusted"] >= ALPHA:
        return (
            f"None of {table['trait'].nunique()} traits of the pictures is shown to tell where {first['model_a']} is "
            f"ahead (the smallest adjusted {p_in_words(first['p_adjusted'])})"
        )
    return _in_words(first, parts)


def _says(table: pd.DataFrame, parts: pd.DataFrame) -> tuple[str, ...]:
    """For the verdict: where the lead depends on the picture."""
    first = table.sort_values("p_adjusted", kind="stable").iloc[0]
    return (f"{_in_words(first, parts)}.",) if first["p_adjusted"] < ALPHA else ()


def _in_words(row: pd.Series, parts: pd.DataFrame) -> str:
    own = parts[(parts["model_b"] == row["model_b"]) & (parts["trait"] == row["trait"])].set_index("part")
    share = "third" if len(own) == len(PARTS) else "part"
    ends = [
        f"{points_with_interval(*own.loc[part, ['difference', 'low', 'high']])} in the {share} with the {part} "
        for part in ("lowest", "highest")
        if part in own.index
    ]
    where = f"{row['trait']} and ".join(ends) + str(row["trait"])
    p_value = p_in_words(row["p_adjusted"])
    return f"The lead of {row['model_a']} over {row['model_b']} is {where} (adjusted {p_value})"
