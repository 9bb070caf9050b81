#!/bin/sh
# What a pipeline does with a model: pin it once, bring exactly that, keep it, bring it back without the network, and
# prove that it is what was reviewed. Works with an empty home, without a terminal, in a folder that cannot be written.
#
#   REPO    OWNER/NAME, or OWNER/NAME:BRANCH
#   WORK    a folder of the job; all that is written is written there
#   FETCH   how the program is called; `fetch` if left out
set -eu
FETCH=${FETCH:-fetch}

step() { printf '\n# %s\n' "$*"; }
try() { printf '$ fetch %s\n' "$*"; $FETCH "$@" 2>&1; }

step 'Once, by a person: what is to be used is written down, and reviewed like code'
try lock "$REPO" --lock "$WORK/models.lock"

step 'In the job: exactly that, every byte verified'
try "$REPO" --lock "$WORK/models.lock" --frozen --local-dir "$WORK/model"

step 'The folder is kept by whatever keeps folders between jobs'
tar -C "$WORK" -cf "$WORK/kept.tar" model
rm -r "$WORK/model"
tar -C "$WORK" -xf "$WORK/kept.tar"

step 'In the next job: it satisfies the lock, so nobody is asked anything'
try "$REPO" --lock "$WORK/models.lock" --frozen --offline --local-dir "$WORK/model"

step 'And on the machine that uses it'
try verify "$WORK/model"
