# Set-up from nothing: every target makes the virtual environment that it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
SOURCES := sb3_ppo_variants tests benchmarks docs examples
# The networks here are small: a second torch thread slows them down, it never speeds them up.
export OMP_NUM_THREADS := 1

.PHONY: demo publish test test-all test-load test-faults test-mutants test-extras test-oldest lint type docs fill format clean

demo: $(VENV)/.bench-installed
	$(BIN)/ppo-bench run benchmarks/studies/quickstart.yaml

# What a finished study has to show, without its runs: make publish STUDY=quickstart
publish:
	mkdir -p benchmarks/published/$(STUDY)/figures
	cd results/$(STUDY) && cp report.md study.yaml *.csv *.gz $(CURDIR)/benchmarks/published/$(STUDY)
	cp results/$(STUDY)/figures/*.svg benchmarks/published/$(STUDY)/figures
	cd benchmarks/published/$(STUDY) && sha256sum study.yaml *.csv *.gz > SHA256SUMS

# Each worker takes a share of the files in their order, so that fixtures are made once, and steals when it is done. Three
# on two cores: the tests of processes wait most of the time.
PYTEST := $(BIN)/pytest -n 3 --dist worksteal

test: lint type
	$(PYTEST)

test-all: lint type docs
	$(PYTEST) -m "slow or not slow"

# The tests that wait for processes, ten times with every core kept busy.
test-load: $(VENV)/.dev-installed
	$(BIN)/python -m tests.load

# Random SIGKILLs of everything that can be killed: ten minutes.
test-faults: $(VENV)/.dev-installed
	$(BIN)/python -m tests.bench.stress

# One change of the code at a time, each of which some test has to notice: an hour.
test-mutants: $(VENV)/.mutants-installed
	$(BIN)/python -m tests.mutants

# Each extra in an environment of its own: half an hour.
test-extras: $(VENV)/.dev-installed
	$(BIN)/python -m tests.extras

# The oldest supported versions: make test-oldest PYTHON=python3.10
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/pytest

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet --constraint constraints-oldest.txt torch
	$(OLDEST)/bin/pip install --quiet --constraint constraints-oldest.txt --editable \
		".[bench,cluster,hub,parquet,tensorboard,tune]" pytest hypothesis
	touch $@

# Everything that is derived: tables, costs, the gallery, the reference, the sidebar and the figures.
fill: $(VENV)/.dev-installed
	$(BIN)/python -m docs.fill

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

type: $(VENV)/.dev-installed
	$(BIN)/mypy

# The site; a warning is an error. The sources are the whole repository: README and the reports are pages too.
docs: $(VENV)/.docs-installed
	$(BIN)/python -m sphinx -c docs -b html -W --keep-going -n -q . docs/_build
	@echo "Open docs/_build/index.html"

format: $(VENV)/.dev-installed
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

# torch first and pinned: left to the resolver it may bring gigabytes of CUDA packages.
$(VENV)/.%-installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) build dist docs/_build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
