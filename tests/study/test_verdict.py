"""The verdict's facts in the main cases; its prose is free to change, what it claims is not."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest

from visavis.errors import UsageError
from visavis.study.effects import factorial_effects
from visavis.study.pairs import compare_pairs, tie_groups
from visavis.study.standing import read_standings
from visavis.study.summary import summarize, with_naming
from visavis.study.verdict import headline_measure, write_verdict

ARCHITECTURES = {"resnet": "ResNet", "vit": "ViT", "RN": "ResNet", "ViT": "ViT"}
TRAININGS = {"resnet": "labels", "vit": "labels", "RN": "language", "ViT": "language"}


def ranks(right: int, n: int) -> str:
    """Right on the first images: models nest, so two differ on as many images as their counts do."""
    return "1" * right + "2" * (n - right)


def rank_apart(only_a: int, only_b: int, both: int, n: int) -> dict[str, str]:
    neither = "2" * (n - only_a - only_b - both)
    return {
        "A": "1" * only_a + "2" * only_b + "1" * both + neither,
        "B": "2" * only_a + "1" * only_b + "1" * both + neither,
    }


def costs(**speeds: tuple[float, float, float]) -> pd.DataFrame:
    """images_per_s of each model: median, slowest, fastest."""
    empty = {"view": "", "measure": "cost", "metric": "images_per_s", "n": 128.0}
    rows = [{"model": name, **empty, "value": v, "low": low, "high": high} for name, (v, low, high) in speeds.items()]
    return pd.DataFrame(rows).assign(draw_low=np.nan, draw_high=np.nan, tie_group=np.nan)


def verdict(predictions: pd.DataFrame, cost: pd.DataFrame | None = None, through_files: bool = False) -> str:
    predictions = with_naming(predictions)
    models = list(dict.fromkeys(predictions["model"]))
    factors = {name: (ARCHITECTURES[name], TRAININGS[name]) for name in models if name in ARCHITECTURES}
    pairs = compare_pairs(predictions)
    results = tie_groups(summarize(predictions), pairs)
    if cost is not None:
        results = pd.concat([results, cost], ignore_index=True)
    tables = [results, pairs, factorial_effects(predictions, factors)]
    if through_files:
        tables = [pd.read_csv(io.StringIO(table.to_csv(index=False)), keep_default_na=True) for table in tables]
        tables[0]["view"] = tables[0]["view"].fillna("")
    described = [{"name": name, "training": TRAININGS.get(name, "language")} for name in models]
    return write_verdict(*tables, described)


def headline(text: str) -> str:
    """What a report shows first: up to the first full stop that a space follows."""
    return re.split(r"(?<=[.!?])\s", text)[0]


class TestHeadline:
    def test_a_winner_by_how_much_and_how_sure(self, table):
        text = headline(verdict(table({"A": ranks(300, 500), "B": ranks(250, 500)}, measure="zero_shot")))
        assert text.startswith("Use A: it names 60.0% [")
        assert "of 500 images right by zero-shot" in text
        assert "10.0 points [" in text
        assert "more than B (adjusted p < 0.001)." in text

    def test_of_three_the_next_best_is_named(self, table):
        text = headline(verdict(table({"C": ranks(50, 200), "A": ranks(150, 200), "B": ranks(100, 200)})))
        assert "more than B, the next best" in text

    def test_a_tie_may_be_shown_to_be_one(self, table):
        text = headline(verdict(table(rank_apart(5, 5, 900, 1000))))
        assert text.startswith("These 1,000 images show A and B to be equivalent, less than 2 points apart (")

    def test_too_few_images_and_how_many_would_do(self, table):
        # 8 of 40 images discordant, 5 : 3; (1.95996 sqrt(0.2) + 0.84162 sqrt(0.2 - 0.0025))^2 / 0.0025 = 625.5 -> 630
        text = headline(verdict(table(rank_apart(5, 3, 20, 40))))
        assert text.startswith("These 40 images cannot separate A and B (62% [")
        assert text.endswith("; about 630 would.")

    def test_equally_many_right(self, table):
        # 20 of 100 discordant, 10 : 10: see the anchors of the power formula
        text = headline(verdict(table(rank_apart(10, 10, 60, 100))))
        assert "cannot separate A and B" in text
        assert "only differences from about 12 points on would show" in text

    def test_identical(self, table):
        text = headline(verdict(table({"A": "1122" * 10, "B": "1122" * 10})))
        assert "cannot separate A and B" in text
        assert "they are right on the same images" in text

    def test_a_handful(self, table):
        assert "so few show no difference at all" in headline(verdict(table({"A": "12", "B": "21"})))

    def test_a_tie_at_the_top_of_three(self, table):
        text = verdict(table({**rank_apart(5, 3, 60, 100), "C": ranks(10, 100)}))
        assert "cannot separate A and B at the top" in headline(text)
        assert "Behind: C with 10.0% [" in text

    def test_three_alike(self, table):
        text = headline(verdict(table({**rank_apart(5, 3, 60, 100), "C": ranks(64, 100)})))
        assert "cannot separate A, C and B (" in text
        assert "would separate the first two." in text

    def test_one_model(self, table):
        text = headline(verdict(table({"A": ranks(30, 40)})))
        assert text.startswith("A gets 75% [62, 88] of 40 images right by nearest neighbours")
        assert text.endswith("; there is no other model to compare it with.")

    def test_no_image_in_common_is_no_victory(self, table):
        assert "cannot separate" in headline(verdict(table({"A": "1" * 50 + "." * 50, "B": "." * 50 + "2" * 50})))

    def test_names_are_kept_as_they_are(self, table):
        text = headline(verdict(table({"RN-mini.emoji {x} <b>": ranks(90, 100), "a file.pt": ranks(10, 100)})))
        assert text.startswith("Use RN-mini.emoji {x} <b>: it gets")
        assert "more than a file.pt" in text


class TestHonesty:
    def test_the_third_may_rival_the_best_though_the_second_does_not(self, table):
        # A beats B 10 : 0, p = 0.002. C is right less often than B, but differs from A by 30 : 19, p = 0.15
        names = {
            "A": "1" * 10 + "1" * 30 + "2" * 19 + "1" * 41,
            "B": "2" * 10 + "1" * 30 + "2" * 19 + "1" * 41,
            "C": "1" * 10 + "2" * 30 + "1" * 19 + "1" * 41,
        }
        text = headline(verdict(table(names)))
        assert "cannot separate A and C at the top" in text
        assert "Use" not in text

    def test_the_best_on_easier_images_is_no_winner(self, table):
        # A is right on 100 images that B was not asked, but on the 30 that both were B leads 20 : 0
        text = headline(verdict(table({"A": "1" * 100 + "2" * 30, "B": "." * 100 + "1" * 20 + "2" * 10})))
        assert "cannot separate A and B" in text
        assert text.endswith("of the images that both were asked, the second is right on more.")

    def test_a_best_model_that_fails(self, table):
        assert "Even A is wrong on most images." in verdict(table({"A": ranks(60, 300), "B": ranks(20, 300)}))
        assert "wrong on most" not in verdict(table({"A": ranks(140, 300), "B": ranks(20, 300)}))  # 47% [41, 52]

    def test_intervals_are_explained(self, table):
        assert "95% intervals over images" in verdict(table({"A": "12"}))

    def test_no_accuracy(self):
        with pytest.raises(UsageError, match="no accuracy"):
            write_verdict(costs(A=(1, 1, 1)), pd.DataFrame(), pd.DataFrame(), [])


class TestCost:
    def test_a_tie_goes_to_the_cheaper(self, table):
        text = verdict(table(rank_apart(5, 3, 20, 40)), costs(A=(100, 95, 105), B=(200, 190, 210)))
        assert "The sensible choice is the cheaper one, B: 200 images/s here, against 100 for A." in text

    def test_timings_that_overlap_tell_nothing(self, table):
        text = verdict(table(rank_apart(5, 3, 20, 40)), costs(A=(100, 90, 120), B=(110, 100, 130)))
        assert "speed does not tell which that is (B 110 and A 100 images/s here)" in text

    def test_no_timings(self, table):
        assert "The sensible choice is the cheaper one. " in verdict(table(rank_apart(5, 3, 20, 40)))

    def test_what_the_winner_costs(self, table):
        clear = table({"A": ranks(90, 100), "B": ranks(10, 100)})
        assert "B is faster here: 200 images/s against 100." in verdict(
            clear, costs(A=(100, 95, 105), B=(200, 190, 210))
        )
        assert "also the fastest here, at 300 images/s" in verdict(clear, costs(A=(300, 290, 310), B=(200, 190, 210)))
        assert "images/s" not in verdict(clear, costs(A=(200, 180, 210), B=(205, 190, 215)))


class TestSquare:
    def study(self, table, n: int = 400) -> pd.DataFrame:
        right = {"resnet": 0.6, "vit": 0.3, "RN": 0.7, "ViT": 0.2}
        heads = {name: ranks(int(right[name] * n), n) for name in ("resnet", "vit")}
        texts = {name: ranks(int(right[name] * n), n) for name in ("RN", "ViT")}
        probe = {name: ranks(int(share * n), n) for name, share in zip(right, (0.8, 0.5, 0.79, 0.6), strict=True)}
        return pd.concat(
            [
                table(heads, measure="classifier"),
                table(texts, measure="zero_shot"),
                table(probe, measure="linear_probe"),
            ]
        )

    def test_all_parts(self, table):
        text = verdict(self.study(table))
        assert headline(text).startswith("Use RN: it names 70.0% [")
        assert "10.0 points [" in headline(text)
        assert "more than resnet, the next best" in headline(text)
        assert re.search(r"Behind: resnet with 60\.0% \[.*; vit with 30\.0% \[.*; ViT with 20\.0% \[", text)
        # 80 against 79% on 400 nested images: 4 : 0
        assert re.search(
            r"With labelled examples, resnet gets 80\.0% \[.*\] right with a linear probe, not separable from RN\.",
            text,
        )
        # architecture (30 + 20) / 2 - (60 + 70) / 2 = -40; training (70 + 20 - 60 - 30) / 2 = 0;
        # interaction (20 - 30) - (70 - 60) = -20
        assert re.search(r"without examples, ResNet is 40\.0 points \[[\d., ]+\] ahead of ViT", text)
        assert re.search(
            r"it is open whether training on language is ahead of training on labels \(0\.0 points \[", text
        )
        assert re.search(r"language does 20\.0 points \[[\d., ]+\] more for ResNet than for ViT", text)
        assert "resnet and vit have no text tower, so zero-shot is empty for them; they name with classif" in text

    def test_the_same_from_the_files(self, table):
        assert verdict(self.study(table), through_files=True) == verdict(self.study(table))

    def test_without_a_classifier_the_probe_decides(self, table):
        predictions = self.study(table)
        text = verdict(predictions[predictions["measure"] != "classifier"])
        assert "with a linear probe" in headline(text)
        assert "without examples" not in text
        assert re.search(r"Without examples, RN names 70\.0% \[.*\] right by zero-shot", text)
        assert "no classifier over these classes is at hand" in text

    def test_naming_is_said_once_where_the_probe_decides(self, table):
        predictions = self.study(table)
        has_classifier = (predictions["measure"] == "classifier") & (predictions["model"] == "resnet")
        text = verdict(predictions[(predictions["measure"] != "classifier") | has_classifier])
        assert re.search(r"Without examples, RN names 70\.0% \[[\d., ]+\] right, 10\.0 points", text)
        assert text.casefold().count("without examples") == 1

    def test_effects_of_another_measure_where_the_headlines_has_none(self, table):
        predictions = self.study(table)
        two = table({"extra": ranks(100, 400), "more": ranks(50, 400)}, measure="zero_shot")
        text = verdict(pd.concat([predictions[predictions["measure"] != "classifier"], two]))
        assert "Of these models, with a linear probe, ResNet is" in text

    def test_other_views(self, table):
        blurred = self.study(table).assign(view="blur:3")
        text = verdict(pd.concat([self.study(table), blurred]))
        assert re.search(r"Under blur:3, RN names 70\.0% \[.*more than resnet\.", text)

    def test_of_many_views_the_worst_fall_and_the_widest_gap_are_told(self, table):
        def shown(view: str, resnet: int, vit: int) -> pd.DataFrame:
            return table({"resnet": ranks(resnet, 400), "vit": ranks(vit, 400)}).assign(view=view)

        mild = [shown("clean", 320, 300), shown("dark", 310, 290), shown("noise", 200, 60)]
        text = verdict(pd.concat([*mild, shown("blur", 80, 70)]))
        assert "Under" not in text
        assert re.search(r"Of 3 changed views, blur costs most: resnet falls from 80\.0% \[.*\] to 20\.0% \[", text)
        assert re.search(r"differ most under noise: resnet has 35\.0 points \[.*\] more right than vit\.", text)
        alike = verdict(pd.concat([shown(view, 200, 200) for view in ("clean", "dark", "noise", "blur")]))
        assert "Under none of the 3 changed views do these images separate the models." in alike
        assert "falls" not in alike


@pytest.mark.parametrize(
    ("cover", "chosen"),
    [
        ({"naming": "AB", "linear_probe": "AB", "knn": "AB"}, "naming"),
        ({"knn": "AB", "linear_probe": "AB", "zero_shot": "A"}, "linear_probe"),
        ({"knn": "ABC", "linear_probe": "AB"}, "knn"),
        ({"classifier": "AB", "zero_shot": "CD"}, "zero_shot"),
        ({"retrieval": "AB", "classifier": "AB"}, "classifier"),
        ({"retrieval": "A"}, "retrieval"),
    ],
)
def test_headline_measure(table, cover, chosen):
    predictions = pd.concat(
        [table({name: "12" for name in names}, measure=measure) for measure, names in cover.items()]
    )
    results = summarize(predictions, draws=10)
    standings = read_standings(results[results["metric"] == "accuracy"], compare_pairs(predictions, draws=10), "clean")
    assert headline_measure(standings) == chosen
