# visavis: `make help` lists the targets.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## make .venv and install visavis into it

demo: $(VENV)/.installed  ## compare the embedded models on the embedded emoji; open out/demo/report.html
	$(BIN)/visavis demo --out out/demo

test: $(VENV)/.installed-test  ## run the test suite
	$(BIN)/python -m pytest

check: $(VENV)/.installed-test  ## format, lint, types, layers
	$(BIN)/ruff format --check src tests recipes benchmarks .ci
	$(BIN)/ruff check src tests recipes benchmarks .ci
	$(BIN)/mypy
	$(BIN)/lint-imports

test-peers: .venv-peers/.installed  ## compare with the live peers in an environment of their own
	.venv-peers/bin/python -m pytest tests/peers

bench: .venv-peers/.installed  ## time visavis and its peers in turn, within 15 minutes on two cores; out/bench holds the plot
	.venv-peers/bin/visavis bench ViT-B-32 RN50 resnet50 --against open_clip,torchvision,timm,transformers --rounds 3 --out out/bench

fuzz: $(VENV)/.installed-test  ## 22,000 damaged files and networks through every reader of weights
	$(BIN)/python tests/fuzz/fuzz_formats.py
	$(BIN)/python tests/fuzz/fuzz_networks.py

bench-opening: $(VENV)/.installed  ## time and memory of opening ViT-L/14, time of a listing
	$(BIN)/python benchmarks/opening.py

bench-search: $(VENV)/.installed  ## time of an exact search among a million vectors
	$(BIN)/python benchmarks/search.py

wheel: $(VENV)/.installed  ## build dist/visavis-*.whl
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

photos: $(VENV)/.installed-test  ## a comparison on photographs: which picture does a tile come from?
	$(BIN)/python recipes/photo_tiles.py out/photo-tiles
	$(BIN)/visavis compare resnet-mini.emoji vit-mini-patch8.emoji RN-mini.emoji ViT-mini-8.emoji --data out/photo-tiles --out out/photos

digits: $(VENV)/.installed-test  ## a comparison on handwritten digits in MNIST's form
	$(BIN)/python recipes/digits_idx.py out/digits-idx
	$(BIN)/visavis compare resnet-mini.emoji vit-mini-patch8.emoji RN-mini.emoji ViT-mini-8.emoji --data out/digits-idx --out out/digits

captions: $(VENV)/.installed-test  ## a comparison on images with captions and no labels
	$(BIN)/python recipes/emoji_captions.py out/emoji-captions
	$(BIN)/visavis compare RN-mini.emoji ViT-mini-8.emoji resnet-mini.emoji --data out/emoji-captions/captions.csv --out out/captions

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venv-peers build dist out

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) -e '.[test,lint]'
	touch $@

.venv-peers/.installed: tests/peers/requirements.txt tests/peers/requirements-alone.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r tests/peers/requirements.txt
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/peers/requirements-alone.txt
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

.PHONY: help install demo test check test-peers bench fuzz bench-opening bench-search wheel photos digits captions clean
