#!/bin/sh
# Makes .venv with the Python client that test/clients/python.test.ts runs. Does nothing if it is there already.
set -eu
version=2.4.0
cd "$(dirname "$0")/../.."
python=.venv/bin/python
if [ -x "$python" ] && [ "$("$python" -c 'import huggingface_hub; print(huggingface_hub.__version__)' 2>/dev/null)" = "$version" ]; then
  exit 0
fi
"${PYTHON:-python3}" -m venv .venv
"$python" -m pip install --quiet --disable-pip-version-check "huggingface_hub==$version"
