#!/bin/sh
# Installs the programs that `npm run bench` compares with, where they are absent: nginx, aria2, curl and openssl
# from Debian's packages; huggingface_hub with hf_xet from PyPI and hfdownloader from its sources into a cache
# directory, $FETCH_BENCH_TOOLS (default: ~/.cache/fetch-bench). What cannot be had is named and left out.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
tools=${FETCH_BENCH_TOOLS:-${HOME:?}/.cache/fetch-bench}
mkdir -p "$tools"

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

# The versions of the published tables.
hub=${HF_VERSION:-2.4.0}
xet=${HF_XET_VERSION:-1.8.0}
python=$tools/python/bin/python
have=$("$python" -c 'from importlib.metadata import version as v; print(v("huggingface_hub"), v("hf_xet"))' 2>/dev/null || true)
if [ "$have" = "$hub $xet" ]; then
  echo "bench: huggingface_hub $hub with hf_xet $xet is there: $tools/python"
else
  echo "bench: installing huggingface_hub $hub and hf_xet $xet into $tools/python"
  { "${PYTHON:-python3}" -m venv "$tools/python" &&
    "$python" -m pip install --quiet --disable-pip-version-check "huggingface_hub==$hub" "hf_xet==$xet"; } ||
    echo "bench: huggingface_hub is left out: no Python 3 with venv, or PyPI does not answer" >&2
fi

# Its module does not build under the path that its releases have, so it comes by commit (release 2.3.4).
module=github.com/bodaay/HuggingFaceModelDownloader
commit=2d5891199468f114b436497b49646aff37613420
if [ "$(cat "$tools/hfdownloader.commit" 2>/dev/null || true)" = "$commit" ] && [ -x "$tools/hfdownloader" ]; then
  echo "bench: hfdownloader is there: $tools/hfdownloader"
elif ! command -v go >/dev/null; then
  echo "bench: hfdownloader is left out: it needs go" >&2
else
  echo "bench: building hfdownloader ${commit%"${commit#???????}"}"
  if GOBIN=$tools go install "$module/cmd/hfdownloader@$commit" 2>"$tools/hfdownloader.log" || {
    # Where the module proxy does not have it: its repository, or a copy of that in $HFDOWNLOADER_SOURCE.
    rm -rf "$tools/hfdownloader-source"
    git clone --quiet "${HFDOWNLOADER_SOURCE:-https://$module}" "$tools/hfdownloader-source" &&
      git -C "$tools/hfdownloader-source" checkout --quiet "$commit" &&
      (cd "$tools/hfdownloader-source" && GOBIN=$tools go install ./cmd/hfdownloader)
  } 2>>"$tools/hfdownloader.log"; then
    echo "$commit" >"$tools/hfdownloader.commit"
  else
    echo "bench: hfdownloader is left out: neither the Go proxy nor its repository could be reached ($tools/hfdownloader.log)" >&2
  fi
fi
