#!/bin/sh
# What a pipeline does with a model: lock it once, download exactly that, keep it between jobs, restore it without the
# network, and verify it. Works with an empty home, without a terminal, in a directory that is not writable.
#
#   REPO    OWNER/NAME, or OWNER/NAME:BRANCH
#   WORK    a directory of the job; everything is written there
#   FETCH   the command; `fetch` if left out
set -eu
FETCH=${FETCH:-fetch}

step() { printf '\n# %s\n' "$*"; }
try() { printf '$ fetch %s\n' "$*"; $FETCH "$@" 2>&1; }

step 'Once, by a person: lock the revision, and review the lockfile like code'
try lock "$REPO" --lock "$WORK/models.lock"

step 'In the job: download exactly what is locked, every byte verified'
try "$REPO" --lock "$WORK/models.lock" --frozen --local-dir "$WORK/model"

step 'The directory is kept between jobs, for example in a cache of the CI'
tar -C "$WORK" -cf "$WORK/kept.tar" model
rm -r "$WORK/model"
tar -C "$WORK" -xf "$WORK/kept.tar"

step 'In the next job: it satisfies the lockfile, so no request is made'
try "$REPO" --lock "$WORK/models.lock" --frozen --offline --local-dir "$WORK/model"

step 'On the machine that uses the model'
try verify "$WORK/model"
