# The commands of a developer; CI runs the same ones (.ci/run).

# every check, in the environment you are in
check: lint types contracts test

lint:
    ruff check
    ruff format --check

types:
    mypy
    pyright

contracts:
    lint-imports

test *args:
    pytest {{args}}

# write the goldens anew after a deliberate change of output; read the diff
golden:
    pytest --update-golden

# the figures of docs/benchmarks.md: `just bench start`, `just bench peers --only sales`
bench name *args:
    python -m benchmarks.{{name}} {{args}}
