#!/bin/sh
# Builds the real ollama into .tools/bin for test/interop/ollama.test.ts, from the Go proxy: with Go, a C++ compiler and
# Debian's nlohmann-json3-dev and libstb-dev, some ten minutes on two cores. Without it those tests are skipped.
# The Go proxy leaves out directories called vendor, so headers of llama.cpp come from Debian, and reading of sound, for
# which Debian has no header, is left out.
set -eu
version=0.17.4
cd "$(dirname "$0")/../.."
[ -x .tools/bin/ollama ] && exit 0
mkdir -p .tools/bin .tools/ollama/include/stb
cd .tools/ollama
for package in nlohmann-json3-dev libstb-dev; do
  apt-get download "$package" >/dev/null 2>&1 || { apt-get update -qq && apt-get download "$package" >/dev/null; }
  dpkg -x "$package"_*.deb unpacked
done
cp -R unpacked/usr/include/nlohmann include/
cp unpacked/usr/include/stb/stb_image.h include/stb/
module=$(go mod download -json "github.com/ollama/ollama@v$version" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
cp -R "$module" source
chmod -R u+w source
helper=source/llama/llama.cpp/tools/mtmd/mtmd-helper.cpp
sed -i -e '/#include "miniaudio\/miniaudio.h"/d' -e '/^namespace audio_helpers {/,/^} \/\/ namespace audio_helpers/d' "$helper"
sed -i '/#include "stb\/stb_image.h"/a #include <vector>\nnamespace audio_helpers { static bool is_audio_file(const char *, size_t) { return false; } static bool decode_audio_from_buf(const unsigned char *, size_t, int, std::vector<float> \&) { return false; } }' "$helper"
include="-I$PWD/include"
cd source
CGO_CPPFLAGS="$include" CGO_CFLAGS=-O0 CGO_CXXFLAGS='-O0 -std=c++17' go build -p 1 -o ../../bin/ollama .
rm -rf ../../ollama
