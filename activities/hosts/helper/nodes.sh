node_start() {
  port=$1 address=$2 nofile=$3 wait_ms=$4 empty=${5-} home="$root/nodes/$1"
  want_number nofile "$nofile"
  want_number WAIT_MS "$wait_ms"
  case $empty in '' | accept-empty) ;; *) usage "node start takes accept-empty as its last word, not '$empty'" ;; esac
  begin
  [ -f "$home/service" ] || refuse "$NOT_NOW" 'its files are not here'
  read_node "$port"
  [ "$method" != systemd ] || note_at_boot "$port"
  if [ "$unit" != running ]; then
    refuse_guarded "$port" "$empty"
    refuse_taken "$port" "$address"
    case $method in
      systemd) systemd_start "$port" ;;
      *) launch "$home/run" "$home/service" "$home/log/console.log" "$nofile" ;;
    esac
    effect node.started "$port pid $unit_pid"
  fi
  forget "$home/run/guard" "$record/accepting-$port"
  unlock
  await_listening "$home" "$address" "$port" "$wait_ms"
  say running "$unit_pid"
  say_limit "$port" "$unit_pid"
}

# node_accept_empty PORT: for a person who knows that nobody needs what this node had. Its address stands in its configuration.
node_accept_empty() {
  address=$(awk 'tolower($1) == "bind" { address = $2 } END { gsub(/"/, "", address); print address }' "$root/nodes/$1/redis.conf")
  node_start "$1" "$address" 0 60000 accept-empty
}

# node_run PORT: what a unit starts: the node's program, as its service file has it, in the place of this one.
node_run() {
  {
    read -r _
    set --
    while IFS= read -r word; do set -- "$@" "$word"; done
  } <"$root/nodes/$1/service"
  exec "$@"
}

# say_limit PORT PID: the open files that it really may have. systemd and ulimit both stop at what the machine allows.
say_limit() {
  allowed=$(awk '$1 == "Max" && $2 == "open" { print $4 }' "/proc/$2/limits" 2>/dev/null) || :
  [ -z "$allowed" ] || say allowed "$1" "$allowed"
}

refuse_taken() {
  deadline_in 5000
  while :; do
    read_listening "$2" "$1" "$(($1 + 10000))"
    [ -n "$listening" ] || return 0
    taken=$(say_taken "$1" -)
    [ -z "$taken" ] || break
    # Somebody examines the ports at this moment.
    nap || break
  done
  [ -z "$taken" ] || printf '%s\n' "$taken"
  refuse "$PORT_TAKEN"
}

# may_listen PID: false as long as the process is seen to have no two sockets. It costs nothing; a look at the kernel's tables does, where a machine has
# thousands of connections, and that of eight starting nodes together keeps them from starting.
may_listen() {
  found_both='' sockets=0 seen=''
  for fd in "/proc/$1/fd"/*; do
    [ ! -e "$fd" ] || seen=yes
    [ ! -S "$fd" ] || sockets=$((sockets + 1))
  done
  [ -z "$seen" ] || [ "$sockets" -ge 2 ]
}

# await_listening HOME ADDRESS PORT WAIT_MS. Only looks: the lock is free again.
await_listening() {
  deadline_in "$4"
  while :; do
    if may_listen "$unit_pid"; then
      read_listening "$2" "$3" "$(($3 + 10000))"
      # Two lines: the port and its bus port.
      case $listening in *[0-9]"
"[0-9]*) found_both=yes ;; *) found_both='' ;; esac
    fi
    reread_node "$3"
    [ "$unit" = running ] || refuse_ended "$1" "$3"
    [ -z "$found_both" ] || return 0
    nap || {
      say_log "$1"
      refuse "$TOO_SLOW" "$unit_pid"
    }
  done
}

# refuse_ended HOME PORT
refuse_ended() {
  [ "$method" = systemd ] || await_note "$1/run"
  say_log "$1"
  [ "$method" != systemd ] || give_up "$2"
  refuse "$WONT_START" "$unit_code"
}

# What this one process said: redis begins each line of its log with its PID. The journal has what it printed, and why systemd gave up.
say_log() {
  {
    if [ "$method" = systemd ]; then
      journalctl --no-pager -q -o cat -n 20 -u "$unit_name"
    else
      tail -n 20 "$1/log/console.log"
    fi
    tail -n 200 "$1/log/redis.log" | awk -v pid="$unit_pid" 'index($0, pid ":") == 1' | tail -n 20
  } 2>/dev/null | while IFS= read -r logged; do say log "$logged"; done
}

node_stop() {
  port=$1 wait_ms=$2 home="$root/nodes/$1"
  want_number WAIT_MS "$wait_ms"
  begin
  read_node "$port"
  if [ "$method" = systemd ]; then
    systemd_disable "$port"
    if [ "$unit" = running ] || [ -n "$restarting" ]; then systemd_stop "$port"; fi
  else
    [ "$unit" != running ] || ask_to_stop "$home/run" node.stopping "$port"
  fi
  unlock
  await_node_end "$port" "$wait_ms"
}

await_node_end() {
  deadline_in "$2"
  read_node "$1"
  while [ "$unit" = running ]; do
    nap || refuse "$TOO_SLOW" "$unit_pid"
    reread_node "$1"
  done
  [ "$method" = systemd ] || await_note "$root/nodes/$1/run"
}

node_remove() {
  port=$1 data=$2 home="$root/nodes/$1"
  case $data in keep | delete) ;; *) usage "node remove takes keep or delete, not '$data'" ;; esac
  begin
  if [ ! -d "$home" ]; then
    # The command that took it away may have died before it came to this.
    [ "$data" = keep ] || forget_identity "$port"
    return
  fi
  read_node "$port"
  [ "$unit" != running ] || refuse "$NOT_NOW" "it still runs (pid $unit_pid)"
  [ "$method" != systemd ] || systemd_remove "$port"
  case $data in
    delete)
      rm -rf "$home"
      forget_identity "$port"
      effect node.removed "$port with its data"
      ;;
    keep)
      # What is kept is not what the record speaks of: the node left the cluster and was reset.
      ! is_out "$port" || forget_identity "$port"
      [ -f "$home/service" ] || [ -d "$home/run" ] || return 0
      rm -rf "$home/run" "$home/users.acl" "$home/redis.conf" "$home/service" "$home/current"
      effect node.removed "$port, data kept"
      ;;
  esac
}

# forget_identity PORT: its node is gone for good, so the port is free for another one.
forget_identity() {
  read_identity "$1"
  [ -n "$identity" ] || return 0
  has_line "$record/forgotten" "$1 $identity" || note_forgotten "$1" "$identity"
  take_line "$record/identities" "$1 $identity"
}

node_status() {
  read_node "$1"
  say node "$1" "$unit" "$unit_pid" "$unit_code" "$unit_time"
  [ -z "$method" ] || say method "$1" "$method"
  say_guard "$1"
}

# node_log PORT LINES: its log, and what it printed where it got no further than its console.
node_log() {
  want_number LINES "$2"
  log="$root/nodes/$1/log"
  # The node's own account writes there: what it links to is none of its reader's business.
  [ ! -L "$log/redis.log" ] || return 0
  if [ -s "$log/redis.log" ]; then tail -n "$2" "$log/redis.log"; fi
  if [ -s "$log/console.log" ]; then tail -n "$2" "$log/console.log"; fi
}

host_release() {
  data=$1
  case $data in keep | delete) ;; *) usage "host release takes keep or delete, not '$data'" ;; esac
  begin
  for home in "$root"/nodes/*; do
    [ -d "$home" ] || continue
    read_node "${home##*/}"
    [ "$unit" != running ] || refuse "$NOT_NOW" "node ${home##*/} still runs (pid $unit_pid)"
    [ "$data" = keep ] || refuse "$NOT_NOW" "the folder $home is still there"
  done
  end_jobs of "$generation"
  remove_units
  if [ "$data" = keep ]; then
    [ -d "$root/jobs" ] || return 0
    rm -rf "${root:?}/jobs" "$root/engines"
    effect host.released 'record kept'
    return
  fi
  forget_profile
  effect host.released 'nothing kept'
  rm -rf "${root:?}/jobs" "$root/engines" "$root/nodes" "$record"
  # What else is in these folders is not ours.
  rm -f "$root/bin/redisforge-host" "$root"/bin/.incoming.*
  rmdir "$root/bin" "$root" 2>/dev/null || :
}
