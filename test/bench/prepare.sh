#!/bin/sh
# Installs the programs that `npm run bench` compares with, where they are absent: nginx, aria2, curl and openssl
# from Debian's packages, huggingface_hub with hf_xet from PyPI into .venv-bench. Says what it does.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin

missing=
for pair in nginx:nginx aria2c:aria2 curl:curl openssl:openssl cmp:diffutils bash:bash; do
  if command -v "${pair%%:*}" >/dev/null; then
    echo "bench: ${pair%%:*} is there: $(command -v "${pair%%:*}")"
  else
    missing="$missing ${pair#*:}"
  fi
done
if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null; then
    echo "bench: no apt-get here; install by hand:$missing" >&2
    exit 1
  fi
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  echo "bench: installing$missing"
  $as_root apt-get update -qq
  # The package would start a server of its own where there is an init; the bench runs its own.
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 $as_root apt-get install -y -qq --no-install-recommends $missing
fi

hub=2.4.0
xet=1.8.0
python=.venv-bench/bin/python
have=$("$python" -c 'from importlib.metadata import version as v; print(v("huggingface_hub"), v("hf_xet"))' 2>/dev/null || true)
if [ "$have" = "$hub $xet" ]; then
  echo "bench: huggingface_hub $hub with hf_xet $xet is there: .venv-bench"
else
  echo "bench: installing huggingface_hub $hub and hf_xet $xet into .venv-bench"
  "${PYTHON:-python3}" -m venv .venv-bench
  "$python" -m pip install --quiet --disable-pip-version-check "huggingface_hub==$hub" "hf_xet==$xet"
fi
