# make run     play one charge on the simulated bench, then stay up (ONCE=1 ends after it; OCPP=2.0.1 the other version;
#              METER=abb_b23_b24 another meter of config/meters; READER=pn532 another card reader)
# make test    every test of behaviour, less than 5 minutes on 2 cores (make test-long: the benchmarks' own)
# make check   format, lint, types, layers, then the tests
PYTHON ?= python3
VENV ?= .venv
OCPP ?= 1.6
BIN := $(VENV)/bin
JOBS ?= 6
SEED ?= 1
IMAGES ?= 100000
KILLS ?= 200
EXAMPLES ?= 150

# Byte code is kept: without it every process of a test compiles the whole house anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-long check format lint types layers units soak-kill soak-outage acceptance guard-coverage powercut fuzz bench wheel clean octt outputs-safe mutate

define install
	@$(PYTHON) -c 'import sys; sys.exit("charge-agent needs Python 3.11 or later, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "Installing $(1) into $(VENV) (up to a minute, the first time only) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(2)]'
	@$(BIN)/python -m compileall -q agent drivers hil
	@touch $@
endef

$(VENV)/.installed-bench: pyproject.toml constraints.txt
	$(call install,charge-agent and its bench,bench)

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,charge-agent and its test tools,dev)

run: $(VENV)/.installed-bench
	@$(BIN)/charge-bench demo --ocpp $(OCPP) $(if $(ONCE),--once) $(if $(METER),--meter $(METER)) $(if $(READER),--reader $(READER))

# pytest compiles test modules in its own way: once here, by two, instead of at the same time by every one of its workers.
$(VENV)/.tests-compiled: $(VENV)/.installed
	@echo "Compiling the tests (seconds, the first time only) ..."
	@for rooms in "tests/unit" "tests/contract tests/scenario tests/conformance tests/process tests/migration"; do \
		$(BIN)/python -m pytest --collect-only -q $$rooms > /dev/null & done; wait
	@touch $@

test: $(VENV)/.tests-compiled
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q

format lint types layers: $(VENV)/.installed
format:
	@$(BIN)/ruff format --check .
lint:
	@$(BIN)/ruff check .
types:
	@$(BIN)/mypy
layers:
	@$(BIN)/lint-imports --no-cache

test-long: $(VENV)/.installed
	@$(BIN)/python -m pytest -n 2 -q -m long

check: format lint types layers
	@$(MAKE) --no-print-directory test

soak-kill: $(VENV)/.installed
	@$(BIN)/python -m tests.process.soak_kill --kills $(KILLS) --charges 40 --seed $(SEED)

# A year without a network: 525,600 samples and 5,000 transactions are drained by the real agent. Half an hour.
SAMPLES ?= 525600
TRANSACTIONS ?= 5000
soak-outage: $(VENV)/.installed
	@$(BIN)/python -m tests.process.soak_outage --samples $(SAMPLES) --transactions $(TRANSACTIONS)

# Against back ends that other people made; installs them on demand into .acceptance/, so it needs package registries.
BACK_ENDS ?=
acceptance: $(VENV)/.installed
	@$(BIN)/python -m tests.acceptance $(BACK_ENDS)

# Every branch of what judges in the guard, or it fails.
GUARD_JUDGES := pilot pilot_watch interlock offer contactor cycle cycle_report phases stopping vehicle wake_up cable_lock \
	protection inputs rcd_test temperature heartbeat
guard-coverage: $(VENV)/.installed
	@mkdir -p .bench
	@COVERAGE_FILE=.bench/guard.coverage $(BIN)/python -m coverage run --branch --source=agent.guard \
		-m pytest -q tests/unit/test_guard_*.py tests/scenario/test_guard_*.py
	@COVERAGE_FILE=.bench/guard.coverage $(BIN)/python -m coverage report -m --fail-under=100 \
		$(GUARD_JUDGES:%=agent/guard/%.py)

powercut: $(VENV)/.installed
	@$(BIN)/python -m tests.powercut.campaign --images $(IMAGES) --jobs $(JOBS)

fuzz: $(VENV)/.installed
	@FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n $(JOBS) -q tests/conformance tests/scenario/test_conversations.py \
		tests/unit/test_rpc.py tests/unit/test_codec.py tests/unit/test_rfid_families.py

bench: $(VENV)/.installed
	@$(BIN)/python -m bench

mutate: $(VENV)/.installed
	@$(BIN)/python -m tests.mutation.campaign --jobs $(JOBS)

# What systemd starts before and after the guard. For another machine: make outputs-safe CC=aarch64-linux-gnu-gcc
CC ?= cc
CFLAGS ?= -O2
outputs-safe: build/outputs-safe
build/outputs-safe: systemd/outputs-safe.c
	@mkdir -p build
	@$(CC) -std=c99 -Wall -Wextra $(CFLAGS) $(LDFLAGS) -o $@ $<

wheel: $(VENV)/.installed
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .

clean:
	rm -rf $(VENV) dist build .bench .acceptance .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Every certification case of OCPP 1.6 for a station, and their table; docs/conformance-16.md has the rest.
octt: $(VENV)/.installed
	@$(BIN)/python -m pytest -q tests/conformance/octt
	@$(BIN)/python -m tests.conformance.tables --show
