#!/bin/sh
# Makes .venv from the lock files, every package checked against its hash. `make setup` runs it; PYTHON names another Python.
set -eu
cd "$(dirname "$0")/.."

stop() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

python=${PYTHON:-python3}
command -v "$python" >/dev/null || stop "Python 3.11 or newer is needed, and there is no $python here (Debian: apt-get install python3 python3-venv)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "Python 3.11 or newer is needed; $python is $("$python" -V 2>&1). PYTHON=python3.12 make setup uses another"
"$python" -c 'import ensurepip, venv' 2>/dev/null || stop "the venv module of $python is missing (Debian: apt-get install python3-venv)"

.venv/bin/python -c '' 2>/dev/null || "$python" -m venv --clear .venv
.venv/bin/python -c 'import pip' 2>/dev/null || .venv/bin/python -m ensurepip >/dev/null

echo "setup: installing the locked packages into .venv"
pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet --require-hashes"
uv="env UV_SYSTEM_CERTS=1 UV_NO_PROGRESS=1 .venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python --require-hashes"

# uv reads no pip configuration: where another package index or certificate stands in there, pip does the work.
install() {
    $uv "$@" || { echo "setup: uv could not; pip takes over (half a minute)" && $pip "$@"; }
}

$pip -r requirements-setup.lock
install -r requirements.lock
install --no-deps -r requirements-sample.lock

# The project runs from its clone: one line makes its packages importable, and `continuum` is a command.
pwd -P >"$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/continuum.pth"
cat >.venv/bin/continuum <<'END'
#!/bin/sh
exec "$(dirname "$0")/python" -P -c 'from continuum.cli import app; app(prog_name="continuum")' "$@"
END
chmod +x .venv/bin/continuum
