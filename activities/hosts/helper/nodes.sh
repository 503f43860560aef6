node_start() {
  port=$1 address=$2 nofile=$3 wait_ms=$4 home="$root/nodes/$1"
  want_number nofile "$nofile"
  want_number WAIT_MS "$wait_ms"
  begin
  [ -f "$home/service" ] || refuse "$NOT_NOW" 'its files are not here'
  read_unit "$home/run"
  if [ "$unit" != running ]; then
    refuse_taken "$port" "$address"
    launch "$home/run" "$home/service" "$home/log/console.log" "$nofile"
    effect node.started "$port pid $unit_pid"
  fi
  unlock
  await_listening "$home" "$address" "$port" "$wait_ms"
  say running "$unit_pid"
}

refuse_taken() {
  read_listening "$2" "$1" "$(($1 + 10000))"
  [ -n "$listening" ] || return 0
  say_taken "$1" -
  refuse "$PORT_TAKEN"
}

# await_listening HOME ADDRESS PORT WAIT_MS. Only looks: the lock is free again.
await_listening() {
  deadline_in "$4"
  while :; do
    read_listening "$2" "$3" "$(($3 + 10000))"
    read_unit "$1/run"
    [ "$unit" = running ] || refuse_ended "$1"
    # Two lines: the port and its bus port.
    case $listening in *[0-9]"
"[0-9]*) return 0 ;; esac
    nap || {
      say_log "$1"
      refuse "$TOO_SLOW" "$unit_pid"
    }
  done
}

refuse_ended() {
  await_note "$1/run"
  say_log "$1"
  refuse "$WONT_START" "$unit_code"
}

# What this one process said: redis begins each line of its log with its PID.
say_log() {
  {
    tail -n 20 "$1/log/console.log"
    tail -n 200 "$1/log/redis.log" | awk -v pid="$unit_pid" 'index($0, pid ":") == 1' | tail -n 20
  } 2>/dev/null | while IFS= read -r logged; do say log "$logged"; done
}

node_stop() {
  port=$1 wait_ms=$2 home="$root/nodes/$1"
  want_number WAIT_MS "$wait_ms"
  begin
  read_unit "$home/run"
  [ "$unit" != running ] || ask_to_stop "$home/run" node.stopping "$port"
  unlock
  await_end "$home/run" "$wait_ms"
}

node_remove() {
  port=$1 data=$2 home="$root/nodes/$1"
  begin
  [ -d "$home" ] || return 0
  read_unit "$home/run"
  [ "$unit" != running ] || refuse "$NOT_NOW" "it still runs (pid $unit_pid)"
  case $data in
    delete)
      rm -rf "$home"
      forget_identity "$port"
      effect node.removed "$port with its data"
      ;;
    keep)
      [ -f "$home/service" ] || [ -d "$home/run" ] || return 0
      rm -rf "$home/run" "$home/users.acl" "$home/redis.conf" "$home/service"
      effect node.removed "$port, data kept"
      ;;
    *) usage "node remove takes keep or delete, not '$data'" ;;
  esac
}

forget_identity() {
  [ -f "$record/identities" ] || return 0
  awk -v port="$1" '$1 != port' "$record/identities" | put_safely "$record/identities"
}

node_status() {
  read_unit "$root/nodes/$1/run"
  say node "$1" "$unit" "$unit_pid" "$unit_code" "$unit_time"
}

# node_log PORT LINES: its log, and what it printed where it got no further than its console.
node_log() {
  want_number LINES "$2"
  log="$root/nodes/$1/log"
  if [ -s "$log/redis.log" ]; then tail -n "$2" "$log/redis.log"; fi
  if [ -s "$log/console.log" ]; then tail -n "$2" "$log/console.log"; fi
}

host_release() {
  data=$1
  case $data in keep | delete) ;; *) usage "host release takes keep or delete, not '$data'" ;; esac
  begin
  for home in "$root"/nodes/*; do
    [ -d "$home" ] || continue
    read_unit "$home/run"
    [ "$unit" != running ] || refuse "$NOT_NOW" "node ${home##*/} still runs (pid $unit_pid)"
    [ "$data" = keep ] || refuse "$NOT_NOW" "the folder $home is still there"
  done
  end_jobs of "$generation"
  if [ "$data" = keep ]; then
    [ -d "$root/jobs" ] || return 0
    rm -rf "$root/jobs"
    effect host.released 'record kept'
    return
  fi
  forget_profile
  effect host.released 'nothing kept'
  rm -rf "${root:?}/jobs" "$root/nodes" "$record" "${root:?}/bin"
  rmdir "$root" 2>/dev/null || :
}
