#!/bin/sh
# Puts Hugging Face's own content store, local_cas_server, into .tools for test/interop/xet.test.ts: built by cargo, where
# there is one, in about three minutes on two cores. Installs nothing into the system. Does nothing if it is there already.
set -eu
version=1.8.0
cd "$(dirname "$0")/../.."
mkdir -p .tools/bin
stamp=.tools/xet-$version
if [ -x .tools/bin/local_cas_server ] && [ -e "$stamp" ]; then exit 0; fi
# Not every machine has Rust; the tests skip what is missing, and say so.
command -v cargo >/dev/null || { echo 'without local_cas_server: there is no cargo' >&2; exit 0; }
# Kept outside of a clean clone, so that the next run on the same machine does not build it again.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hub-fetch/xet-$version
if [ ! -x "$cache/bin/local_cas_server" ]; then
  # The target is a directory of its own: it holds a gigabyte, and is not needed afterwards.
  target=$(mktemp -d)
  trap 'rm -rf "$target"' EXIT
  cargo install xet-client --version "$version" --locked --features simulation --bin local_cas_server \
    --root "$cache" --target-dir "$target" --quiet || {
    echo 'without local_cas_server: it could not be built' >&2
    exit 0
  }
fi
cp "$cache/bin/local_cas_server" .tools/bin/local_cas_server
touch "$stamp"
