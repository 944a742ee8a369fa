"""What the import contracts of pyproject.toml say, and what they cannot: what is loaded when, and what never."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drawings import draw, encoded
from training.models import ModelVersion

ROOT = Path(__file__).parent.parent
PACKAGES = ("training", "classifier", "webapp")
HAND_OVER = {
    "training.models",
    "training.artifacts",
    "training.evaluation",
    "training.data.decoders",
    "training.data.images",
    "training.data.names",
    "training.errors",
    "training.messages",
}
FORBIDDEN_WORDS = {"safe_mode", "enable_unsafe_deserialization", "allow_pickle", "Lambda"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def modules() -> dict[str, ast.Module]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if ".migrations" not in name:
                found[name] = ast.parse(path.read_text())
    return found


MODULES = modules()


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a tree imports; `from training import storage` counts as training.storage."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            below = [f"{module}.{alias.name}" for alias in node.names]
            yield from (each if each in MODULES else module for each in below)


def without_type_checking(tree: ast.Module) -> ast.Module:
    """The module as it runs: what only mypy reads is left out."""

    class Runs(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            is_for_mypy = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            return None if is_for_mypy else self.generic_visit(node)

    return Runs().visit(ast.parse(ast.unparse(tree)))


def runs_at_import(tree: ast.Module) -> ast.Module:
    """What is left of a module without the bodies of its functions."""

    class AtImport(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

    return AtImport().visit(without_type_checking(tree))


def belongs_to(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def is_tensorflow(module: str) -> bool:
    return belongs_to(module, {"tensorflow", "keras"})


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_are_found(package: str) -> None:
    assert len([name for name in MODULES if name.startswith(package)]) > 5


def test_the_contracts_hold_and_ignore_nothing() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

    done = subprocess.run(["lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert not any(option.startswith("ignore") for contract in contracts for option in contract)


def test_the_classifier_imports_only_the_hand_over_from_training() -> None:
    wrong = {
        (name, module)
        for name, tree in MODULES.items()
        if name.startswith("classifier")
        for module in imported(tree)
        if module.startswith("training") and not belongs_to(module, HAND_OVER)
    }

    assert wrong == set()


def test_the_keras_engine_loads_tensorflow_only_where_it_opens_an_h5() -> None:
    assert not any(map(is_tensorflow, imported(runs_at_import(MODULES["classifier.optional_keras"]))))


def test_only_one_module_opens_or_resizes_pictures() -> None:
    """The starter makes its pictures from digits that are no files; it opens none."""
    wrong = set()
    for name, tree in MODULES.items():
        uses_pillow = any(belongs_to(module, {"PIL"}) for module in imported(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and uses_pillow and name != "training.data.images":
                opens = node.attr == "open" and isinstance(node.value, ast.Name) and node.value.id == "Image"
                resizes = node.attr in ("resize", "thumbnail", "draft") and name != "training.library.starter"
                if opens or resizes:
                    wrong.add((name, node.attr))
        if any(belongs_to(module, {"cv2", "imageio", "skimage", "torchvision"}) for module in imported(tree)):
            wrong.add((name, "another decoder"))

    assert wrong == set()


def test_tensorflow_decodes_no_picture() -> None:
    wrong = {
        (name, node.attr)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith(("decode_jpeg", "decode_png", "decode_image", "load_img", "image_dataset_from"))
    }

    assert wrong == set()


def test_nothing_loads_code_from_files() -> None:
    wrong: set[tuple[str, str | None]] = set()
    for name, tree in MODULES.items():
        wrong |= {(name, module) for module in imported(tree) if belongs_to(module, FORBIDDEN_MODULES)}
        for node in ast.walk(tree):
            words = {getattr(node, "arg", None), getattr(node, "attr", None), getattr(node, "id", None)}
            wrong |= {(name, word) for word in words & FORBIDDEN_WORDS}

    # knows an ordered dict of tensors and nothing else; what else a pickle asks for is refused, tests try it
    assert wrong == {("training.networks.torch_pickle", "pickle")}


CLASSIFIES = """
import django, sys
django.setup()
from django.conf import settings
from django.urls import get_resolver
get_resolver().url_patterns
from classifier.engine import engine
from training.models import Recognizer
print(engine.classify(Recognizer.objects.get(), sys.argv[1]).best.label)
"""
WORKS = "from webapp.celery import app; app.loader.import_default_modules(); assert 'training.train_run' in app.tasks"
LOOKS = """
import sys
print(sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'torch', 'optuna'}))
"""


def loaded_by(code: str, *arguments: str) -> list[str]:
    """What a fresh process prints that runs some code and then looks which of the heavy libraries are loaded."""
    command = [sys.executable, "-c", code + LOOKS, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.usefixtures("_real_processes")
def test_the_site_answers_without_tensorflow(version: ModelVersion, tmp_path: Path) -> None:
    (tmp_path / "square.png").write_bytes(encoded(draw("square", 1000)))

    assert loaded_by(CLASSIFIES, str(tmp_path / "square.png")) == ["square", "[]"]


def test_the_worker_starts_without_tensorflow() -> None:
    assert loaded_by("import django; django.setup(); " + WORKS) == ["[]"]


def test_the_checks_run_without_tensorflow() -> None:
    code = "import django; django.setup(); from django.core.management import call_command; call_command('check')"

    assert loaded_by(code)[-1] == "[]"
