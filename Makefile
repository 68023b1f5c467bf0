# make run: install and start the dashboard.   make test: install what tests need and run them all.
PORT ?= 8501
PYTHON_IN = .venv/bin/python

.PHONY: run test lint format fuzz bench demo clean

run: .venv/.installed
	@$(PYTHON_IN) scripts/check_port.py $(PORT)
	.venv/bin/streamlit run app.py --server.port $(PORT)

test: .venv/.installed-dev lint
	$(PYTHON_IN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/.installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: .venv/.installed-dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

# The campaigns of faults and malformed input at their full size; the suite runs them at a small one.
fuzz: .venv/.installed-dev
	DSSM_FUZZ=full $(PYTHON_IN) -m pytest -n 2 --dist loadfile tests/campaigns tests/test_resume.py

# Side-by-side timings: benchmarks/results.md, results.json and two growth charts.
bench: .venv/.installed-dev
	$(PYTHON_IN) -m benchmarks

# Rebuild the demo that ships in assets/.
demo: .venv/.installed
	$(PYTHON_IN) assets/build_demo.py

clean:
	rm -rf .venv

.venv/.installed: requirements.txt
	@scripts/make_venv.sh requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt requirements-ray.txt requirements.txt
	@scripts/make_venv.sh requirements-dev.txt
	@touch .venv/.installed $@
