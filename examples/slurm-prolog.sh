#!/bin/sh
# A prolog of Slurm: models are on the disk of a node before a job starts there. In slurm.conf:
#
#   Prolog=/etc/slurm/prolog.d/50-models.sh
#   PrologFlags=Alloc
#
# The bytes come from the machines that run `fetch serve DIR --host 0.0.0.0`; commit, listing and hashes from the Hub, and what
# those machines lack.
#
#   MODELS  one model a line: the name of its directory, and OWNER/NAME or OWNER/NAME@REVISION
#   TARGET  where they go, on this node
#   PEERS   addresses, with commas between them
#   FETCH   the command; `fetch` if left out
set -eu
MODELS=${MODELS:-/etc/slurm/models}
TARGET=${TARGET:-/scratch/models}
PEERS=${PEERS:-http://stage-1:8090}
FETCH=${FETCH:-fetch}
# Slurm starts it without one.
export HOME="${HOME:-/root}" PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"

mkdir -p "$TARGET"
# Jobs that start together on a node: one fetches, the others wait for it.
exec 9>"$TARGET/.prolog.lock"
flock 9
while read -r name repo; do
  case $name in '' | '#'*) continue ;; esac
  # Below PrologEpilogTimeout. Another end than 0 would drain the node: the job asks `fetch verify --quick` instead.
  $FETCH "$repo" --local-dir "$TARGET/$name" --from "$PEERS" --timeout 30m --quiet </dev/null >/dev/null 9>&- ||
    echo "prolog of job ${SLURM_JOB_ID:-?}: $repo is not complete ($?)" >&2
done <"$MODELS"
