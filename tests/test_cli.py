"""The command as its user meets it: a process with arguments, an exit code and two streams."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from visavis.cli import main
from visavis.study.study import load_study

COMMAND = Path(sys.executable).parent / "visavis"
WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "sklearn"):
            raise AssertionError(f"{name} was imported")
sys.meta_path.insert(0, NoTorch())
from visavis.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The command within this process: its exit code and the one paragraph on stderr. For the many wrong calls."""

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        *before, last = capsys.readouterr().err.splitlines()
        assert last.startswith("visavis: ")
        assert last.endswith((".", "?"))
        assert not [line for line in before if line.startswith(("visavis: ", "Traceback"))]
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, last

    return run


def bytes_of(folder: Path) -> dict[Path, bytes]:
    """Every file of a folder, the hidden ones too."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def limit_files_to(size: int) -> Callable[[], None]:
    """A disk that is full after so many bytes of a file: writing more raises OSError, as ENOSPC does."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


# -- what works ----------------------------------------------------------------------------------------------------


def test_a_comparison_prints_table_verdict_and_path(study_folder):
    printed = (study_folder.parent / "out.txt").read_text("utf-8")
    study = json.loads((study_folder / "study.json").read_text("utf-8"))
    assert " ".join(study["verdict"].split()) in " ".join(printed.split())
    assert printed.splitlines()[-1] == f"Report: {study_folder / 'report.html'}"
    assert "view clean" in printed
    assert "view grayscale" in printed
    for name in ("report.html", "results.csv", "pairs.csv", "effects.csv", "predictions.parquet", "study.json"):
        assert (study_folder / name).stat().st_size


def test_the_printed_table_holds_the_accuracies(study_folder):
    printed = (study_folder.parent / "out.txt").read_text("utf-8")
    results = pd.read_csv(study_folder / "results.csv")
    for _, row in results[results["metric"] == "accuracy"].iterrows():
        assert f"{100 * row['value']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" in printed


def test_progress_to_a_pipe_is_plain_lines(study_folder):
    reading, estimate, *lines = (study_folder.parent / "err.txt").read_text("utf-8").splitlines()
    assert reading.startswith("reading images: ")
    assert re.fullmatch(r"Encoding takes about \d+ s: 288 images, .*", estimate)  # 4 models x (24 + 2 views x 24)
    assert len(lines) > 10
    for line in lines:
        assert re.fullmatch(r"[^\x00-\x1f]+: (\d+)/\1", line), line  # each stage once, when it is done


def test_the_command_in_the_study_repeats_it_to_the_byte(visavis, study_folder, tmp_path):
    name, *arguments = shlex.split(json.loads((study_folder / "study.json").read_text("utf-8"))["command"])
    assert name == "visavis"
    again = shutil.copytree(study_folder, tmp_path / "again")
    (again / "predictions.parquet").write_bytes(b"")  # to be written again, not merely left
    called = visavis(*arguments, "--out", again)
    assert called.code == 0, called.err
    for name in ("predictions.parquet", "thumbnails.parquet", "pairs.csv", "effects.csv"):
        assert (again / name).read_bytes() == (study_folder / name).read_bytes()
    first, second = load_study(study_folder).results, load_study(again).results
    timed = first["metric"] == "images_per_s"
    assert timed.sum() == 4
    pd.testing.assert_frame_equal(first[~timed], second[~timed], check_exact=True)


def test_a_report_is_drawn_again_without_torch(study_folder, tmp_path):
    drawn = tmp_path / "new folder" / "again.html"
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, "report", str(study_folder), "--out", str(drawn)], check=True)
    assert drawn.read_bytes() == (study_folder / "report.html").read_bytes()


def test_two_studies_side_by_side_without_torch(study_folder, tmp_path):
    again = shutil.copytree(study_folder, tmp_path / "again")
    page = tmp_path / "both.html"
    arguments = ["report", str(study_folder), str(again), "--out", str(page)]
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *arguments], check=True)
    assert "accuracies is shown to have changed" in page.read_text("utf-8")
    table = pd.read_csv(page.with_suffix(".csv"))
    assert (table["difference"] == 0).all()
    assert (table["n"] == table["n_a"]).all()


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["train", "--help"], ["--version"]])
def test_help_needs_no_torch(arguments):
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip()
    assert not done.stderr


def test_list_offers_names_and_a_closed_pipe_is_no_failure(visavis):
    called = visavis("list", "*MINI*")
    assert called.code == 0
    assert [line.split()[0] for line in called.out.splitlines()[:3]] == ["name", "resnet-mini", "resnet-mini.emoji"]
    reader, writer = os.pipe()
    os.close(reader)
    for unbuffered in ("", "1"):  # it is noticed at the end, or at the first line
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(
            [COMMAND, "list"], env=environment, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.stderr == ""
    os.close(writer)


def test_letters_that_a_terminal_lacks_are_no_failure(visavis, study_folder, tmp_path):
    called = visavis("report", study_folder, "--out", tmp_path / "🦊.html", environment={"PYTHONIOENCODING": "ascii"})
    assert called.code == 0, called.err
    assert called.out.strip().endswith("\\U0001f98a.html")
    assert (tmp_path / "🦊.html").is_file()


# -- wrong calls: exit code 2 --------------------------------------------------------------------------------------


def test_unknown_model(visavis, photos, tmp_path):
    called = visavis("compare", "ViT-mini-8.emoij", "--data", photos, "--out", tmp_path / "out")
    message = called.failed(2)
    assert "'ViT-mini-8.emoij'" in message
    assert "Did you mean ViT-mini-8.emoji" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "resnet-mini.emoji", "--data", "x", "--viwe", "clean"], "--view"),
        (["compare", "resnet-mini.emoji"], "--data"),
        (["compare", "resnet-mini.emoji", "--data", "x", "--seed", "one"], "--seed"),
        (["compre", "x"], "compare"),
        (["--frobnicate"], "--frobnicate"),
        (["report"], "Name the folder of one study"),
    ],
)
def test_unknown_options_commands_and_values(visavis, arguments, said):
    assert said in visavis(*arguments).failed(2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "emoji-nwe", "resnet-mini.emoji"], "emoji-new"),
        (["--data", "emoji", "no/such/file.safetensors"], "There is no checkpoint file"),
        (["--data", "emoji", "resnet-mini"], "names an architecture, not weights"),
        (["--data", "emoji"], "No model was named"),
        (["--data", "emoji", "RN-mini.emoji", "RN-mini.emoji"], "named twice"),
        (["--data", "emoji", "RN-mini.emoji", "--view", "greyscale"], "Did you mean grayscale?"),
        (["--data", "emoji", "RN-mini.emoji", "--view", "clean", "--view", "clean"], "named twice"),
        (["--data", "emoji", "RN-mini.emoji", "--template", "a photo"], "no {} where the class name goes"),
    ],
)
def test_wrong_values(call, tmp_path, arguments, said):
    code, message = call("compare", *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert said in message
    assert not (tmp_path / "out" / "study.json").exists()


@pytest.mark.parametrize("fraction", ["0", "1", "-0.5", "nan"])
def test_an_impossible_test_fraction(call, models, photos, tmp_path, fraction):
    code, message = call("compare", models.resnet, "--data", photos, "--out", tmp_path, "--test-fraction", fraction)
    assert (code, "between 0 and 1" in message) == (2, True)


def test_data_that_cannot_be_compared_on(call, models, draw, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "notes.md").write_text("# none")
    draw(tmp_path / "one class" / "only <b>", (90, 90, 90), 4)
    draw(tmp_path / "one each" / "a", (90, 90, 90), 1)
    draw(tmp_path / "one each" / "b", (10, 200, 90), 1)
    draw(tmp_path / "flat", (90, 90, 90), 2)
    for name, said in {
        "emptyy": "Did you mean empty?",
        "empty": "holds no files",
        "words": "holds no image",
        "one class": "of one class, 'only <b>'",
        "one each": "leaves 0 of its 2 images (2 classes) for testing",
        "flat": "None of the 2 images of 'flat' has a label",
        "flat/0.png": "is a single image",
    }.items():
        code, message = call("compare", models.resnet, "--data", tmp_path / name, "--out", tmp_path / "out")
        assert (code, said in message) == (2, True), message


@pytest.mark.parametrize("holds", ["another study", "other files", "a study that is none"])
def test_an_output_folder_in_use_stays_as_it_is(call, models, photos, study_folder, tmp_path, holds):
    out = tmp_path / "out"
    if holds == "another study":
        shutil.copytree(study_folder, out)
    else:
        out.mkdir()
        (out / "study.json").write_text("[1, 2]")
        if holds == "other files":
            (out / "study.json").rename(out / "thesis.docx")
    before = bytes_of(out)
    code, message = call("compare", models.resnet, "--data", photos, "--out", out)
    assert code == 2
    assert {"other files": "'thesis.docx' for one"}.get(holds, "holds another study") in message
    assert "Choose another --out" in message
    assert bytes_of(out) == before


@pytest.mark.parametrize("out", ["{tmp}/file", "{tmp}/file/below", "/proc/visavis", "/dev/full", "{tmp}/" + "n" * 300])
def test_an_output_folder_that_cannot_be(call, models, photos, tmp_path, out):
    """Permissions do not bind root, under which tests may run: a file stands where the folder should, or /proc does."""
    (tmp_path / "file").write_text("mine")
    code, message = call("compare", models.resnet, "--data", photos, "--out", out.format(tmp=tmp_path))
    assert (code, "cannot hold the study" in message) == (2, True)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lerning_rate = 1.0", "Did you mean learning_rate?"),
        ("learning_rate = 1e3", "learning_rate must lie between"),
        ("batch_size = 'many'", "batch_size"),
        ("batch_size = ", "not valid TOML"),
        ("objective = 'label'", "objective"),
    ],
)
def test_wrong_recipes(call, tmp_path, line, said):
    recipe = tmp_path / "recipe.toml"
    values = {"architecture": "'resnet-mini'", "data": "'emoji'", "objective": "'labels'", "samples": "1000"}
    values.pop(line.split()[0], None)
    recipe.write_text("\n".join([*(f"{key} = {value}" for key, value in values.items()), line]))
    code, message = call("train", recipe, "--out", tmp_path / "run")
    assert (code, said in message) == (2, True), message
    assert not (tmp_path / "run").exists()


def test_a_misspelt_key_as_a_process(visavis, tmp_path):
    (tmp_path / "r.toml").write_text(
        "architecture = 'resnet-mini'\ndata = 'emoji'\nobjective = 'labels'\nsamples = 9\nsede = 1"
    )
    assert "Unknown key 'sede'" in visavis("train", tmp_path / "r.toml").failed(2)
    assert "Cannot read the recipe" in visavis("train", tmp_path / "none.toml").failed(2)


def test_a_report_of_no_study(visavis, tmp_path):
    assert "holds no study" in visavis("report", tmp_path / "none").failed(2)


# -- work that fails: exit code 1 ----------------------------------------------------------------------------------


def test_nothing_readable_is_left(visavis, models, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"")
    message = visavis("compare", models.resnet, "--data", tmp_path, "--out", tmp_path / "out").failed(1)
    assert "'a/x.png' is empty: 0 bytes" in message


def test_a_checkpoint_cut_short_and_one_without_metadata(call, visavis, models, photos, tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    cut, bare = tmp_path / "cut 🦊.safetensors", tmp_path / "bare.safetensors"
    cut.write_bytes(Path(models.vit).read_bytes()[:-100])
    save_file({"weight": np.zeros(3, np.float32)}, bare)
    message = visavis("compare", cut, models.vit, "--data", photos, "--out", tmp_path / "out").failed(1)
    assert "cut 🦊.safetensors' is not a whole safetensors file" in message
    code, message = call("compare", models.vit, bare, "--data", photos, "--out", tmp_path / "out")
    assert (code, "bare.safetensors': The 1 tensors' names are those of no network" in message) == (1, True)
    (tmp_path / "none.safetensors").write_bytes(b"")
    assert call("compare", tmp_path / "none.safetensors", "--data", photos)[0] == 1


def test_a_full_disk_loses_nothing(visavis, models, messy, study_folder, tmp_path):
    again = shutil.copytree(study_folder, tmp_path / "again")
    arguments = ["compare", *models, "--data", messy, "--view", "clean", "--view", "grayscale", "--out"]
    message = visavis(*arguments, again, before=limit_files_to(3000)).failed(1)
    assert "Cannot write the study" in message
    assert "Free some space" in message
    assert bytes_of(again) == bytes_of(study_folder)


def test_after_a_full_disk_the_same_command_works(visavis, models, photos, tmp_path):
    arguments = ["compare", models.clip_vit, "--data", photos, "--out", tmp_path / "out"]
    visavis(*arguments, before=limit_files_to(1500)).failed(1)
    assert set(bytes_of(tmp_path / "out")) <= {Path(".unfinished", "arguments.json")}
    (tmp_path / "out" / "tables").mkdir(exist_ok=True)  # where it got a little further
    assert visavis(*arguments).code == 0
    assert not (tmp_path / "out" / ".unfinished").exists()


def test_a_full_disk_keeps_the_old_report(visavis, study_folder, tmp_path):
    again = shutil.copytree(study_folder, tmp_path / "again")
    assert "Cannot write the report" in visavis("report", again, before=limit_files_to(9000)).failed(1)
    assert bytes_of(again) == bytes_of(study_folder)


@pytest.mark.parametrize("name", ["results.csv", "predictions.parquet", "thumbnails.parquet", "study.json"])
def test_a_damaged_study_says_so(call, study_folder, tmp_path, name):
    again = shutil.copytree(study_folder, tmp_path / "again")
    (again / name).write_bytes((again / name).read_bytes()[:7] if name != "results.csv" else b"")
    code, message = call("report", again)
    assert (code, "is damaged" in message) == (1, True)


TABLES = ("predictions.parquet", "thumbnails.parquet", "pairs.csv", "effects.csv")
TIMED = ("ensemble.csv", "recommend.csv")  # they also say how fast the models are


@pytest.fixture(scope="module")
def uninterrupted(visavis, models, draw, tmp_path_factory) -> tuple[list[object], Path]:
    """The arguments of a study, but for --out, and the folder of one that ran through, with a cache of its own."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    for name, colour in {"a": (9, 99, 199), "b": (199, 99, 9)}.items():
        draw(folder / "data" / name, colour, 20, seed=7)
    arguments = ["compare", models.clip_resnet, models.resnet, "--data", folder / "data"]
    called = visavis(*arguments, "--out", folder / "out", environment={"VISAVIS_CACHE": str(folder / "cache")})
    assert called.code == 0, called.err
    return arguments, folder / "out"


@pytest.mark.parametrize(
    ("stop", "at", "goes_on"),
    [
        (signal.SIGINT, "test images, clean", "the same command"),  # the training images before them are kept
        (signal.SIGKILL, "chapter 1 of", "--resume"),
    ],
)
def test_a_stopped_study_goes_on_to_the_same_bytes(uninterrupted, tmp_path, stop, at, goes_on):
    arguments, whole = uninterrupted
    command = [COMMAND, *map(str, arguments), "--out", tmp_path / "out"]
    environment = {**os.environ, "VISAVIS_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stderr is not None
    for line in process.stderr:
        if at in line:
            process.send_signal(stop)
            break
    with process.stderr:
        rest = process.stderr.read()
    assert process.wait(timeout=120) == (130 if stop == signal.SIGINT else -stop)
    if stop == signal.SIGINT:
        said = "visavis: Stopped. What was encoded is kept; the same command goes on from there."
        assert rest.splitlines()[-1] == said
    assert "Traceback" not in rest
    assert not (tmp_path / "out" / "study.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.float32")}
    assert kept
    if goes_on == "--resume":
        command = [COMMAND, "compare", "--resume", "--out", tmp_path / "out"]
    again = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # read, not made again
    names = [*TABLES, *(f"tables/{path.name}" for path in (whole / "tables").iterdir() if path.name not in TIMED)]
    assert len(names) > 10
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes(), name
    assert not (tmp_path / "out" / ".unfinished").exists()


def test_resume_needs_something_to_go_on_with(call, tmp_path):
    code, message = call("compare", "--resume", "--out", tmp_path / "nothing")
    assert (code, "holds no study that was begun" in message) == (2, True)


def test_a_quick_look_takes_less_and_says_so(visavis, models, photos, tmp_path):
    arguments = ["compare", models.clip_resnet, models.clip_vit, "--data", photos, "--out", tmp_path / "out"]
    called = visavis(*arguments, "--quick")
    assert called.code == 0, called.err
    protocol = json.loads((tmp_path / "out" / "study.json").read_text("utf-8"))
    assert protocol["command"].endswith(" --quick")
    assert set(protocol["chapters"]) == {"agreement", "recommend", "retrieval"}
    assert set(load_study(tmp_path / "out").predictions["measure"]) == {"zero_shot", "knn"}
    assert "holds another study" in visavis(*arguments).failed(2)  # a whole one never takes its place


def test_quick_and_thorough_exclude_each_other(call, tmp_path):
    code, message = call("compare", "RN-mini.emoji", "--data", tmp_path, "--quick", "--thorough")
    assert (code, "exclude each other" in message) == (2, True)


def test_many_views_are_one_table_and_a_line(visavis, models, photos, tmp_path):
    views = ("clean", "mirror", "upside_down", "grayscale", "hue:90")
    asked = [word for view in views for word in ("--view", view)]
    done = visavis("compare", models.vit, "--data", photos, *asked, "--measures", "knn", "--out", tmp_path / "out")
    assert done.code == 0
    assert done.out.count("Right answers with 95% interval") == 1
    assert "4 more views are in results.csv" in done.out
    assert set(pd.read_csv(tmp_path / "out" / "results.csv")["view"].dropna()) >= set(views)


def test_a_call_that_could_not_begin_leaves_nothing_to_resume(call, models, tmp_path):
    (tmp_path / "data").mkdir()
    assert call("compare", models.vit, "--data", tmp_path / "data", "--out", tmp_path / "out")[0] == 2
    code, message = call("compare", "--resume", "--out", tmp_path / "out")
    assert (code, "holds no study that was begun" in message) == (2, True)
