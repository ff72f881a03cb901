# `make check` is what CI runs. PYTHON is the interpreter of an environment with `.[dev]` in it.
PYTHON ?= .venv/bin/python
.PHONY: check format lint types contracts tests lock bench picture

check: format lint types contracts tests

format:
	$(PYTHON) -m ruff format --check promptlab tests bench
lint:
	$(PYTHON) -m ruff check promptlab tests bench
types:
	$(PYTHON) -m mypy
contracts:
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as run; run()"
tests:
	$(PYTHON) -m pytest -n logical --dist loadfile

lock:  # versions only: hashes and addresses would tie it to one index; needs `pip install uv`
	$(PYTHON) -m uv pip compile --universal --python-version 3.11 --extra dev --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links -q -o requirements.lock pyproject.toml

bench:
	$(PYTHON) bench/wire.py
	$(PYTHON) bench/path.py
	$(PYTHON) bench/start.py
