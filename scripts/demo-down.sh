#!/usr/bin/env bash
# Takes all of the demo away: worker, Temporal, hosts, folder. Safe when half of it is up, or none.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[ -e .demo ] || exit 0
[ -e dist/starters/cli.js ] || scripts/build.sh
failed=0
bin/redisforge dev --stop || failed=1
bin/redisforge lab down --dir .demo/lab || failed=1
[ $failed = 0 ] || die "Something of the demo is left in .demo." "Put right what is said above, then run make demo-down again."
rm -rf .demo
say "Nothing of the demo is left."
