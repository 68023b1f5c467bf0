#!/bin/sh
# Makes .venv with a Python that TensorFlow supports and installs REQUIREMENTS into it. Says in one sentence what is missing.
set -eu
requirements=$1

fail() {
    echo "error: $1" >&2
    exit 1
}

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    for python in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if supported "$python"; then
            echo "$python"
            return
        fi
    done
}

if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    [ -n "$python" ] || fail "no Python 3.11, 3.12 or 3.13 found: install one, or name it with 'make PYTHON=/path/to/python'."
    command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
        fail "no C++ compiler found, which Annoy needs: 'apt install g++' on Debian or Ubuntu, 'xcode-select --install' on macOS."
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "this Python cannot make virtual environments: on Debian or Ubuntu, 'apt install python3-venv'."
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
        fail "this Python lacks its C headers, which Annoy needs: on Debian or Ubuntu, 'apt install python3-dev'."
    "$python" -m venv .venv
fi
supported .venv/bin/python || fail ".venv has a Python that is not 3.11 to 3.13: remove .venv and try again."
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements" ||
    fail "installing $requirements failed: the lines above say what; mend it and call make again."
