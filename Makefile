# Every path is relative, so that the checkout may lie in a folder with a space in its name.
# The stamps form one line, python < run < test < check: two pips never work in one .venv, not even under `make -j`.
.DEFAULT_GOAL := help
.PHONY: help venv run test oldest check soak bench clean

python := .venv/bin/python

help: ## say what can be made
	@echo 'make TARGET [ARGS="more arguments"]'
	@sed -n 's/^\([a-z]*\):.*## /  \1	/p' Makefile
	@echo 'PYTHON=/path/to/python3.13 names the interpreter that a new .venv is made with.'

venv: .venv/run.stamp ## make .venv with Nearfetch in it
	@echo 'Ready: .venv/bin/nearfetch (or: make run)'

run: .venv/run.stamp ## start the proxy; make run ARGS="--listen-port 9090"
	@.venv/bin/nearfetch $(ARGS)

test: .venv/test.stamp ## run the tests; make test ARGS="-k digest"
	@$(python) -m pytest $(ARGS)

oldest: .venv-oldest/test.stamp ## run the system tests with the oldest mitmproxy that is supported
	@.venv-oldest/bin/python -m pytest tests/system $(ARGS)

check: .venv/check.stamp ## lint, format check, types, and which package may import which
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

soak: .venv/test.stamp ## run the tests that are too long for every day, an hour each at most
	@$(python) -m pytest -m soak --timeout=3600 $(ARGS)

bench: .venv/test.stamp ## measure Nearfetch side by side with what people would use instead
	@$(python) -m bench $(ARGS)

clean: ## remove .venv, caches and what was built
	rm -rf .venv .venv-oldest build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Asked every time, because make cannot see whether an interpreter still runs. What is fine is not touched, and then
# nothing that depends on it is made again.
.venv/python.stamp: FORCE
	@tools/venv make

.venv/run.stamp: .venv/python.stamp pyproject.toml
	@tools/venv install --editable .
	@touch $@

.venv/test.stamp: .venv/run.stamp
	@tools/venv install --group test
	@touch $@

.venv-oldest/test.stamp: .venv/test.stamp
	@$(python) -m venv --clear .venv-oldest
	@.venv-oldest/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@.venv-oldest/bin/python -m pip install --quiet --editable . --group test 'mitmproxy==12.0.*'
	@touch $@

# The types of the tests are checked too, and need what the tests import.
.venv/check.stamp: .venv/test.stamp
	@tools/venv install --group check
	@touch $@

FORCE:
