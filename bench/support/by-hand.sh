#!/usr/bin/env bash
# What a careful admin has today: a cluster from bare hosts by parallel ssh and `redis-cli --cluster create`. The files of the nodes are rendered beforehand.
#
#   by-hand.sh FOLDER REDIS_SERVER REPLICAS
#
# FOLDER/hosts: a line `ADDRESS SSH_PORT USER ROOT NODE_PORT...` for each host; FOLDER/key: the SSH key; FOLDER/ADDRESS/: what goes under ROOT.
# The admin's password is in REDISCLI_AUTH.
set -euo pipefail
folder=$1 server=$2 replicas=$3

on() {
  local address=$1 port=$2 user=$3
  shift 3
  ssh -i "$folder/key" -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="$folder/known_hosts" \
    -o LogLevel=ERROR "$user@$address" "$@"
}

start_host() {
  local address=$1 ssh_port=$2 user=$3 root=$4
  shift 4
  tar -C "$folder/$address" -c . | on "$address" "$ssh_port" "$user" "mkdir -p '$root' && tar -C '$root' -x && for port in $*; do
    (ulimit -n 2048; setsid '$server' '$root'/nodes/\$port/redis.conf </dev/null >'$root'/nodes/\$port/log/console.log 2>&1 &)
  done"
}

pids=()
nodes=()
while read -r address ssh_port user root ports; do
  # shellcheck disable=SC2086
  start_host "$address" "$ssh_port" "$user" "$root" $ports </dev/null &
  pids+=($!)
  for port in $ports; do nodes+=("$address:$port"); done
done <"$folder/hosts"
for pid in "${pids[@]}"; do wait "$pid"; done

for node in "${nodes[@]}"; do
  until redis-cli -h "${node%:*}" -p "${node#*:}" --user admin ping 2>/dev/null | grep -q PONG; do sleep 0.05; done
done
redis-cli --cluster create "${nodes[@]}" --cluster-replicas "$replicas" --cluster-yes --user admin >/dev/null
