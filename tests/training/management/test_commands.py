from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.drawings import SHAPES, draw, encoded, shapes_zip
from tests.types import AddPictures
from training.errors import TrainingError
from training.hardware import Hardware
from training.management.commands import train
from training.models import Recognizer, TrainingRun
from training.runs import supervisor


def run(*words: object) -> str:
    """What a command prints."""
    printed = io.StringIO()
    call_command(*map(str, words), stdout=printed, stderr=io.StringIO())
    return printed.getvalue()


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """A folder of two class folders with three pictures each."""
    for shape in SHAPES:
        (tmp_path / "shapes" / shape).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "shapes" / shape / f"{number}.png").write_bytes(encoded(draw(shape, number)))
    return tmp_path / "shapes"


# --- import_pictures


def test_a_folder_of_class_folders_is_imported(recognizer: Recognizer, shapes: Path) -> None:
    assert run("import_pictures", "shapes", shapes) == "6 taken, 0 refused\n"

    assert recognizer.labels.get(key="square").pictures.count() == 3


def test_a_zip_is_imported(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "shapes.zip").write_bytes(shapes_zip(3))

    assert run("import_pictures", "shapes", tmp_path / "shapes.zip") == "6 taken, 0 refused\n"


def test_every_refused_file_is_named_with_its_reason(recognizer: Recognizer, shapes: Path) -> None:
    (shapes / "circle" / "empty.png").touch()
    (shapes / "loose.png").write_bytes(encoded(draw("circle", 9)))

    lines = run("import_pictures", "shapes", shapes).splitlines()

    assert lines[0].startswith("refused circle/empty.png: The file is empty.")
    assert lines[1].startswith("refused loose.png: The file lies in no class folder.")
    assert lines[2] == "6 taken, 2 refused"


def test_importing_again_takes_nothing_twice(recognizer: Recognizer, shapes: Path) -> None:
    run("import_pictures", "shapes", shapes)

    assert run("import_pictures", "shapes", shapes).endswith("0 taken, 6 refused\n")


@pytest.mark.django_db
def test_a_missing_recognizer_is_made_when_asked_for(shapes: Path) -> None:
    run("import_pictures", "round-things", shapes, "--create")

    assert Recognizer.objects.get(slug="round-things").name_en == "Round things"


def test_a_recognizer_that_is_there_is_not_made_anew(recognizer: Recognizer, shapes: Path) -> None:
    run("import_pictures", "shapes", shapes, "--create")

    assert recognizer.pictures.count() == 6


def test_a_missing_recognizer_is_refused_with_the_way_to_make_it(recognizer: Recognizer, shapes: Path) -> None:
    with pytest.raises(CommandError, match=r"no recognizer “birds”\. There are: shapes\. With --create"):
        run("import_pictures", "birds", shapes)


@pytest.mark.django_db
def test_a_name_that_cannot_be_an_address_is_refused(shapes: Path) -> None:
    with pytest.raises(CommandError, match="“Bad Name” cannot be a recognizer's address"):
        run("import_pictures", "Bad Name", shapes, "--create")


def test_a_missing_path_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="gone does not exist; expected a folder"):
        run("import_pictures", "shapes", tmp_path / "gone")


def test_a_file_that_is_no_zip_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "letter.zip").write_text("Dear Sir or Madam")

    with pytest.raises(CommandError, match=r"letter\.zip: This is not a zip"):
        run("import_pictures", "shapes", tmp_path / "letter.zip")


# --- train


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["shapes", "--set", "epochs"], "“epochs” has no “=”"),
        (["shapes", "--set", "epoch=3"], "no setting “epoch”"),
        (["shapes", "--set", "epochs=0"], "epochs is “0”; expected 1 … 1000"),
        (["shapes", "--network", "vgg"], "invalid choice: 'vgg'"),
        (["shapes", "--preset", "slow"], "invalid choice: 'slow'"),
        (["shapes", "--preset", "quick", "--set", "epochs=3"], "epochs is settled when the network is chosen"),
        (["birds"], "no recognizer “birds”"),
        (["shapes", "--gpu"], "TensorFlow sees no GPU on this machine"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_run_is_made(
    words: list[str], reason: str, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "this_machine", lambda: Hardware((), "A CPU", 2, 2**30))

    with pytest.raises(CommandError, match=reason):
        run("train", *words)

    assert not TrainingRun.objects.exists()


@pytest.mark.usefixtures("_real_processes")
def test_a_failed_run_ends_the_command_with_its_sentence(recognizer: Recognizer) -> None:
    with pytest.raises(CommandError, match="There are pictures of 0 class"):
        run("train", "shapes")


@pytest.mark.usefixtures("_real_processes")
def test_an_interrupted_command_cancels_its_run(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(run: TrainingRun, watch: object, **options: object) -> None:
        run.claim("host:1")
        raise KeyboardInterrupt

    monkeypatch.setattr(supervisor, "carry_out", interrupted)

    with pytest.raises(CommandError, match="Cancelled"):
        run("train", "shapes")

    assert TrainingRun.objects.get().state == TrainingRun.State.CANCELLED


def test_a_run_that_was_cut_off_goes_on_in_the_command(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off_once(run: TrainingRun, watch: object, **options: object) -> bool:
        run.claim("host:1")
        return run.interrupt(TrainingError("Killed.")) if run.attempts == 1 else run.fail(TrainingError("No use."))

    monkeypatch.setattr(supervisor, "carry_out", cut_off_once)

    with pytest.raises(CommandError, match="No use"):
        run("train", "shapes")

    assert TrainingRun.objects.get().attempts == 2


@pytest.mark.parametrize(
    ("words", "preset", "is_network_open", "network"),
    [
        (["--preset", "quick", "--set", "seed=3"], "quick", True, "efficientnetlite0"),
        (["--preset", "thorough", "--network", "cnn"], "thorough", False, "cnn"),
        ([], "", False, "efficientnetlite0"),
    ],
)
def test_a_preset_without_a_network_asks_for_a_race(
    words: list[str],
    preset: str,
    is_network_open: bool,
    network: str,
    recognizer: Recognizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "carry_out", lambda *args, **options: False)

    with pytest.raises(CommandError, match="A worker has taken run"):
        run("train", "shapes", *words)

    row = TrainingRun.objects.get()
    assert (row.preset, row.is_network_open, row.config["network"]) == (preset, is_network_open, network)


def test_the_command_says_once_what_the_race_came_to(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def choose_and_fail(row: TrainingRun, watch: Callable[[TrainingRun], None], **options: object) -> bool:
        row.claim("host:1")
        row.write(choice_sentence={"template": "The small network won.", "params": {}}, is_network_open=False)
        for _ in range(2):
            row.refresh_from_db()
            watch(row)
        return row.fail(TrainingError("No use."))

    monkeypatch.setattr(supervisor, "carry_out", choose_and_fail)

    with pytest.raises(CommandError, match="No use"):
        call_command("train", "shapes", "--preset", "quick")

    assert capsys.readouterr().out == "The small network won.\n"


def test_a_run_that_a_worker_took_first_is_left_to_it(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "carry_out", lambda *args, **options: False)

    with pytest.raises(CommandError, match="A worker has taken run"):
        run("train", "shapes")


def test_a_run_on_a_gpu_says_that_it_needs_one(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "this_machine", lambda: Hardware(("A GPU",), "A CPU", 2, 2**30))

    def fail(run: TrainingRun, watch: object, *, has_gpu: bool) -> bool:
        return run.claim("host:1", has_gpu=has_gpu) and run.fail(TrainingError("No use."))

    monkeypatch.setattr(supervisor, "carry_out", fail)

    with pytest.raises(CommandError, match="No use"):
        run("train", "shapes", "--gpu")

    assert TrainingRun.objects.get().needs_gpu


@pytest.mark.usefixtures("_real_processes")
def test_training_shows_each_epoch_and_the_version(recognizer: Recognizer, add_pictures: AddPictures) -> None:
    for shape in SHAPES:
        add_pictures(recognizer, label=shape, count=10)

    lines = run(
        *("train", "shapes", "--network", "cnn", "--publish"),
        *("--set", "epochs=2", "image_size=16", "filters=4,8", "--set", "augmentation="),
    ).splitlines()

    assert [line.split("  ")[0] for line in lines[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert lines[2].startswith("version 1: test accuracy ")
    assert lines[2].endswith(" on 4 pictures, published")
