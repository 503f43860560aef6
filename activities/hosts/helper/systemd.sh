# Nodes under systemd: instances of one template unit of the cluster, whose text config/render-unit.ts writes. The state is systemd's own.
UNITS=/etc/systemd/system

# Sets method (process or systemd; empty where the node has no service file) and unit_name.
read_method() {
  method='' unit_name=''
  [ -f "$root/nodes/$1/service" ] || return 0
  method=process
  read -r first_word second_word <"$root/nodes/$1/service"
  [ "$first_word" = systemd ] || return 0
  method=systemd unit_name=$second_word
  case $unit_name in redisforge-*@"$1".service) ;; *) usage "the service file of node $1 names no unit of ours" ;; esac
}

# Sets unit, unit_pid, unit_code and unit_time of the node on this port, whoever runs it.
read_node() {
  read_method "$1"
  if [ "$method" = systemd ]; then read_systemd "$1"; else read_unit "$root/nodes/$1/run"; fi
}

# As read_node, after it, in a loop: systemctl costs more than a look at the process.
reread_node() {
  if [ "$method" = systemd ] && [ "$unit" = running ] && [ "$unit_pid" != - ]; then
    read_start "$unit_pid"
    [ -z "$start_of" ] || return 0
  fi
  read_node "$1"
}

# look_at UNIT...: sets looked, a line for each: NAME STATE PID LAST_PID CODE END. The state is running, restarting, ended or idle; END is in
# microseconds after boot.
look_at() {
  looked=$(systemctl show -p Id,ActiveState,SubState,MainPID,ExecMainPID,ExecMainCode,ExecMainStatus,ExecMainExitTimestampMonotonic -- "$@" |
    awk -F= '
      function flush(state) {
        if (of["Id"] == "") return
        state = of["ExecMainPID"] > 0 ? "ended" : "idle"
        if (of["ActiveState"] ~ /^(active|reloading|activating|deactivating)$/) state = "running"
        if (of["SubState"] == "auto-restart") state = "restarting"
        # What a signal ended has the exit code of a shell.
        if (of["ExecMainCode"] > 1) of["ExecMainStatus"] += 128
        print of["Id"], state, of["MainPID"], of["ExecMainPID"], of["ExecMainStatus"], of["ExecMainExitTimestampMonotonic"]
        split("", of)
      }
      $0 == "" { flush() }
      { of[$1] = $2 }
      END { flush() }')
}

read_systemd() {
  unit=absent unit_pid=- unit_code=- unit_time=- restarting=''
  case "${looked_ahead-}" in *"$unit_name "*) looked=$looked_ahead ;; *) look_at "$unit_name" ;; esac
  while read -r looked_name state main_pid last_pid code end; do
    [ "$looked_name" = "$unit_name" ] || continue
    case $state in
      running) unit=running unit_pid=$main_pid ;;
      ended | restarting) unit=exited unit_pid=$last_pid unit_code=$code ;;
      # Not in this life of the machine: a node that has files of its own was here before.
      idle) [ ! -f "$root/nodes/$1/data/nodes.conf" ] || unit=stopped ;;
    esac
    [ "$state" != restarting ] || restarting=yes
    [ "$unit" != exited ] || read_end "$end"
  done <<LOOKED
$looked
LOOKED
  [ "$unit_pid" != 0 ] || unit_pid=-
  [ "$unit" = exited ] && [ -s "$root/nodes/$1/run/stop" ] || return 0
  read_stop "$root/nodes/$1/run"
  [ "$stopped_pid" != "$unit_pid" ] || unit=stopped
}

# Sets unit_time from microseconds after boot.
read_end() {
  read_uptime
  unit_time=$(date -u -d "@$(($(date +%s) - (uptime_ms - $1 / 1000) / 1000))" +%Y-%m-%dT%H:%M:%SZ)
}

# look_ahead PORT...: one question for all nodes of a survey.
look_ahead() {
  looked_ahead=''
  count=$#
  for node; do
    read_method "$node"
    [ "$method" != systemd ] || set -- "$@" "$unit_name"
  done
  shift "$count"
  [ $# -gt 0 ] || return 0
  look_at "$@"
  looked_ahead=$looked
}

systemd_start() {
  [ -f "$UNITS/${unit_name%@*}@.service" ] || refuse "$NOT_NOW" "the unit ${unit_name%@*}@.service is not here"
  [ -e "$UNITS/multi-user.target.wants/$unit_name" ] || at_boot enable "$1"
  forget "$root/nodes/$1/run/stop"
  # The count of starts begins anew: this one was decided.
  systemctl reset-failed "$unit_name" 2>/dev/null || :
  # Where it fails, the state and the journal say more than this command.
  systemctl --quiet start "$unit_name" 2>/dev/null || :
  read_node "$1"
}

# systemd would try again; what was asked for has failed, and is over. The token is looked at anew: a later attempt may be at work by now.
give_up() {
  begin
  read_node "$1"
  [ "$unit" = running ] && return
  systemctl --quiet stop "$unit_name" 2>/dev/null || :
}

systemd_stop() {
  read_stop "$root/nodes/$1/run"
  # With the moment of its start: after a boot another process may well have the same number.
  read_start "$unit_pid"
  [ "$stopped_pid $stopped_start" != "$unit_pid $start_of" ] || return 0
  put "$root/nodes/$1/run/stop" "$unit_pid $start_of"
  systemctl --quiet --no-block stop "$unit_name"
  effect node.stopping "$1 pid $unit_pid"
}

# A node that was stopped on purpose stays down when the host boots, until somebody starts it.
systemd_disable() {
  note_at_boot "$1"
  [ ! -e "$UNITS/multi-user.target.wants/$unit_name" ] || at_boot disable "$1"
}

# at_boot enable|disable PORT. systemctl loads all units anew, which is long enough for the power to go before the line is in the journal.
at_boot() {
  put_safely "$root/nodes/$2/run/at-boot" "$1"
  systemctl --quiet "$1" "$unit_name" 2>/dev/null
  note_at_boot "$2"
}

# Writes the line, also for whoever did it and could not.
note_at_boot() {
  [ -s "$root/nodes/$1/run/at-boot" ] || return 0
  read -r at_boot <"$root/nodes/$1/run/at-boot"
  if [ -e "$UNITS/multi-user.target.wants/$unit_name" ]; then is_at_boot=enable; else is_at_boot=disable; fi
  [ "$at_boot" = "$is_at_boot" ] || return 0
  effect "node.${at_boot}d" "$1 $unit_name"
  sync "$record/journal"
  forget "$root/nodes/$1/run/at-boot"
}

systemd_remove() {
  systemd_disable "$1"
  systemctl reset-failed "$unit_name" 2>/dev/null || :
}

# ensure_unit SHA256 NAME BASE64. The one file outside of the root, under a name that is nobody else's.
ensure_unit() {
  case $2 in
    *[!a-z0-9@.-]* | *@*@*) refuse "$BAD_INSTRUCTIONS" "$2 is no name for a unit of ours" ;;
    redisforge-[a-z]*@.service) ;;
    *) refuse "$BAD_INSTRUCTIONS" "$2 is no name for a unit of ours" ;;
  esac
  file="$UNITS/$2"
  read_unit_owner "$file"
  [ -z "$unit_uid" ] || [ "$unit_uid" = "$cluster_uid" ] || \
    refuse "$NOT_NOW" "the unit $2 belongs to the cluster with uid $unit_uid"
  read_digest "$file"
  if [ "$digest" != "$1" ]; then
    found=$digest
    : >"$record/reload"
    write_checked "$1" "$2" "$3"
    chmod 644 "$file.new"
    sync "$file.new"
    mv -f "$file.new" "$file"
    if [ "$found" = - ]; then effect unit.created "$2"; else effect unit.updated "$2"; fi
  fi
  reload
}

# Also where the attempt that wrote the unit died before this.
reload() {
  [ -f "$record/reload" ] || return 0
  systemctl daemon-reload
  rm -f "$record/reload"
}

# Sets unit_uid: the cluster that a unit file of ours belongs to, from its second line.
read_unit_owner() {
  unit_uid=''
  [ -f "$1" ] || return 0
  { read -r _ && read -r _ _ unit_uid _; } <"$1" || :
  unit_uid=${unit_uid:--}
}

# All units of this cluster on this host.
remove_units() {
  for file in "$UNITS"/redisforge-*@.service; do
    [ -f "$file" ] || continue
    read_unit_owner "$file"
    [ "$unit_uid" = "$cluster_uid" ] || continue
    : >"$record/reload"
    rm -f "$file"
    effect unit.removed "${file##*/}"
  done
  reload
}

say_systemd() {
  version=-
  [ ! -d /run/systemd/system ] || ! shown=$(systemctl --version 2>/dev/null) || {
    version=${shown#systemd }
    version=${version%%[!0-9]*}
  }
  say systemd "${version:--}"
  [ -n "$1" ] || return 0
  read_unit_owner "$UNITS/$1"
  read_digest "$UNITS/$1"
  [ "$digest" = - ] || say unit "$digest" "$unit_uid"
}
