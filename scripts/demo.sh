#!/usr/bin/env bash
# The main job on this machine: six hosts, Temporal and a worker, and a Redis Cluster formed on the hosts over SSH. Run again, it changes nothing.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

LAB=.demo/lab
SPEC=$LAB/cluster.yaml
DEFAULT_ADDRESS=127.0.0.1:7233

json() { node -e 'const all = JSON.parse(require("node:fs").readFileSync(0, "utf8")); console.log(all[process.argv[1]] ?? "")' "$1"; }

forge() { bin/redisforge "$@"; }

mkdir -p .demo
say "1. Six hosts in three zones, each with a real sshd"
forge lab up --dir $LAB --name demo
say ""
say "2. Temporal and a worker, in the background"
server=$(forge dev --detach --json | tail -n 1)
address=$(json address <<<"$server")
ui=$(json uiUrl <<<"$server")
export TEMPORAL_ADDRESS=$address
say "Temporal takes calls on $address"
say ""
say "3. From bare hosts to a proven cluster"
forge apply -f $SPEC --yes --reason 'make demo'
say ""
forge status -f $SPEC

prefix=
[ "$address" = $DEFAULT_ADDRESS ] || prefix="TEMPORAL_ADDRESS=$address "
cat <<END

The run in the Temporal UI: $ui/namespaces/default/workflows/cluster%2Fdemo%2Foperation
Try next:
  bin/redisforge lab kill h2 --dir $LAB; bin/redisforge status -f $SPEC
      a host loses its power: what is found, and what to do about it
  bin/redisforge lab start h2 --dir $LAB; ${prefix}bin/redisforge apply -f $SPEC
      the host is back: its node is started again, and the cluster proven
  ${prefix}bin/redisforge ops list demo
      who did what to this cluster, when and why
make demo-down takes it all away.
END
