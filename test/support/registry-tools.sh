#!/bin/sh
# Puts real registry programs into .tools for test/interop/registry.test.ts: Debian's docker-registry and skopeo, and oras
# from the Go proxy where there is Go. Installs nothing into the system. Does nothing if they are there already.
set -eu
oras=1.3.0
cd "$(dirname "$0")/../.."
mkdir -p .tools/bin
cd .tools
for package in docker-registry skopeo; do
  [ -x "bin/$package" ] && continue
  # Not every system is a Debian; the tests skip what is missing, and say so.
  apt-get download "$package" >/dev/null 2>&1 || { apt-get update -qq && apt-get download "$package" >/dev/null; } || {
    echo "without $package" >&2
    continue
  }
  dpkg -x "$package"_*.deb "$package"
  cp "$package/usr/bin/$package" "bin/$package"
  rm -rf "$package" "$package"_*.deb
done
# What skopeo is linked with.
if [ -x bin/skopeo ] && ldd bin/skopeo | grep -q 'not found'; then
  mkdir -p lib unpacked
  for package in libgpgme11 libgpgme11t64 libassuan0 libassuan9 libdevmapper1.02.1; do
    apt-get download "$package" >/dev/null 2>&1 && dpkg -x "$package"_*.deb unpacked && rm "$package"_*.deb
  done
  find unpacked -name '*.so.*' -exec cp -P {} lib/ ';'
  rm -rf unpacked
fi
if [ ! -x bin/oras ] && command -v go >/dev/null; then
  GOBIN="$PWD/bin" GOFLAGS=-modcacherw GOMODCACHE="$PWD/go" go install "oras.land/oras/cmd/oras@v$oras" || echo 'without oras' >&2
  rm -rf go
fi
