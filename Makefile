# `make run` starts everything, `make test` tests everything; the rest is in the README.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes
export PATH := $(CURDIR)/$(BIN):$(PATH)
export HOST ?= 127.0.0.1
export PORT ?= 8000

.PHONY: run install test faults fuzz check audit sbom messages lock bench-train

run: install
	@exec python -m webapp.start

install: $(VENV)/.everyday

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] != (3, 11))" || \
		{ echo "Discern needs Python 3.11; name one with make PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	touch $@

# Everyday things, which answers from the first minute; where it cannot be made here, a run makes it at the first start.
$(VENV)/.everyday: $(VENV)/.installed training/library/everyday_classes.csv training/runs/prebuilt.py training/trainer/imagenet_bodies.py
	@echo "Preparing everyday things, once; this takes about a minute."
	@said=$$($(BIN)/python -m training.runs.prebuilt 2>&1) || \
		{ echo "$$said" | tail -n 1; echo "It was not prepared; the first start makes it in the background instead."; }
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	touch $@

# Every test; TESTS has options of tests/__main__.py.
TESTS ?=
test: $(VENV)/.installed-dev
	@python -m tests $(TESTS)

# Kills, freezes and fills up the real thing, for an hour or so; docs/reliability.md keeps what came of it.
faults: $(VENV)/.installed-dev
	python -m tests.faults

# Changed pictures and zips against a site of its own, and many calls of each operation of the API, for half an hour or so;
# the same seed sends the same.
FUZZ_COUNT ?= 10000
FUZZ_EXAMPLES ?= 300
FUZZ_SEED ?= 1
fuzz: $(VENV)/.installed-dev
	python -m tests.fuzz $(FUZZ_COUNT) --seed $(FUZZ_SEED)
	EXAMPLES=$(FUZZ_EXAMPLES) python -m pytest -q tests/webapp/test_openapi.py

# Makes the figures of docs/training.md again, for some hours: DATA has a folder of class folders per set, KERAS_HOME the
# ImageNet weights where there is no network, TORCH an interpreter with torch 2.13, h5py, numpy and Pillow.
DATA ?= ../shared/data
BENCH ?= var/bench
TORCH ?=
bench-train: $(VENV)/.installed
	python -m benchmarks.accuracy $(DATA) $(BENCH)/accuracy
	python -m benchmarks.quick $(DATA) $(BENCH)/quick
	python -m benchmarks.dry_run $(DATA)/animals $(BENCH)/dry-run
	python -m benchmarks.fine_tuning $(DATA)/garbage $(BENCH)/fine-tuning $(if $(TORCH),--torch $(TORCH))
	python -m benchmarks.honest_data $(DATA)
	python -m benchmarks.input_pipeline
	python -m benchmarks.memory $(BENCH)/memory

check: $(VENV)/.installed-dev
	ruff check .
	ruff format --check .
	mypy .
	lint-imports
	python -m supply_chain licences
	python -m supply_chain secrets
	python manage.py makemigrations --check --dry-run
	HTTPS=true TRUSTED_PROXIES=127.0.0.1 ALLOWED_HOSTS=discern.example SECRET_KEY=$$(python -c "import secrets; print(secrets.token_urlsafe(60))") \
		python -W error::DeprecationWarning manage.py check --deploy --fail-level WARNING

# Known holes of the packages; asks the network, and fails where it cannot be asked.
audit: $(VENV)/.installed-dev
	python -m supply_chain vulnerabilities

# Everything that is shipped, as CycloneDX.
SBOM ?= var/sbom.json
sbom: $(VENV)/.installed-dev
	mkdir -p $(dir $(SBOM))
	python -m supply_chain sbom $(SBOM)

# Collects the sentences and compiles their Chinese; needs GNU gettext.
messages: $(VENV)/.installed-dev
	python manage.py makemessages --locale zh_Hans --no-location --no-obsolete \
		--ignore ".venv/*" --ignore "var/*" --ignore "tests/*" --ignore "benchmarks/*"
	python manage.py compilemessages --locale zh_Hans --ignore ".venv" --ignore "var"

# Pins everything that is installed, with hashes.
lock: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet uv
	for name in requirements requirements-dev requirements-gpu; do \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-emit-find-links --custom-compile-command "make lock" $$name.in -o $$name.txt; done
