# `make check` is what CI runs. PYTHON is the interpreter of an environment with `.[dev]` in it.
PYTHON ?= .venv/bin/python
.PHONY: check format lint types contracts tests lock bench pictures keys

check: format lint types contracts tests

format:
	$(PYTHON) -m ruff format --check promptlab tests bench docs
lint:
	$(PYTHON) -m ruff check promptlab tests bench docs
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

pictures:  ## the pictures of README and docs, from real runs of the embedded model (10 minutes)
	$(PYTHON) docs/pictures.py

keys:  ## the tables of keys in docs/tui.md and docs/tui.zh.md
	$(PYTHON) docs/keys.py
