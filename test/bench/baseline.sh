#!/bin/sh
# Builds an older commit of this program for `npm run bench -- --baseline FILE` and prints FILE.
# The default is the engine of version 0.1.0 with the one thing that the Hub requires since: locating a file without Range.
#   npm run bench -- --scenes wait-200 --baseline "$(sh test/bench/baseline.sh)"
set -eu
cd "$(dirname "$0")/../.."
commit=$(git rev-parse --verify "${1:-6b7a4bd}^{commit}")
directory=${FETCH_BENCH_TOOLS:-${HOME:?}/.cache/fetch-bench}/baseline-$commit
program=$directory/dist/cli/main.js
if [ ! -e "$program" ]; then
  rm -rf "$directory"
  mkdir -p "$directory"
  git archive "$commit" | tar -x -C "$directory"
  (cd "$directory" && npm ci --ignore-scripts --no-audit --no-fund && npm run build) >&2
fi
echo "$program"
