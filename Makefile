# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2

.PHONY: demo test lint docs clean

demo: .venv/weights
	$(BIN)/python -m ruxi.demo

# One thread a worker: two computing libraries on all cores would wait for one another.
test: .venv/weights
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/mypy --strict src/ruxi
	$(BIN)/lint-imports

docs: .venv/installed
	$(BIN)/python tools/cli_reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The environment, made anew when the requirements change.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps lmms-eval
	touch $@

# The pinned pretrained parts, fetched once into the store (see `ruxi doctor`).
.venv/weights: .venv/installed
	$(BIN)/ruxi pull
	touch $@

clean:
	rm -rf .venv site build dist
