# A unit is a detached command with its state on disk: a node and a job are both one. Its folder holds: pid (`PID START BOOT TIME`), exit (`CODE TIME PID`), stop (`PID`: it was asked to stop).

# Sets start_of: when the process began, in clock ticks after boot; empty where there is none. With the number it is one process for sure.
read_start() {
  start_of=''
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  # The name in parentheses may hold blanks and parentheses: what follows the last one is safe. A zombie has ended.
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [ "$1" = Z ] || start_of=${20}
}

# Sets unit (absent, running, stopped, exited, lost), unit_pid, unit_code, unit_time. `lost`: the machine was rebooted, or whoever watched was killed.
read_unit() {
  unit=absent unit_pid=- unit_code=- unit_time=-
  [ -s "$1/pid" ] || return 0
  read -r unit_pid unit_start unit_boot unit_time <"$1/pid"
  read -r boot </proc/sys/kernel/random/boot_id
  if [ "$unit_boot" = "$boot" ]; then
    read_start "$unit_pid"
    if [ "$start_of" = "$unit_start" ]; then
      unit=running
      return
    fi
  fi
  unit=lost
  read_exit "$1"
  [ ! -f "$1/stop" ] || { read -r stopped_pid <"$1/stop" && [ "$stopped_pid" != "$unit_pid" ]; } || unit=stopped
}

read_exit() {
  [ -s "$1/exit" ] || return 0
  read -r exit_code exit_time exit_pid <"$1/exit"
  [ "$exit_pid" = "$unit_pid" ] || return 0
  unit=exited unit_code=$exit_code unit_time=$exit_time
}

# launch FOLDER ARGV_FILE OUTPUT NOFILE: detaches a supervisor and returns once it has noted the process. It tells the PID on its stdout and
# closes it, which is what ends the command substitution: nothing is polled.
launch() {
  forget "$1/exit" "$1/stop"
  # shellcheck disable=SC2034 # only waited for
  launched=$(setsid sh "$root/bin/redisforge-host" --root "$root" supervise "$@" 9>&- </dev/null 2>/dev/null &)
  read_unit "$1"
}

# The supervisor waits and notes how the process ended. It never starts it again: a master that comes back empty would empty its replicas.
supervise() {
  folder=$1 argv=$2 output=$3 nofile=$4
  set --
  while IFS= read -r word; do set -- "$@" "$word"; done <"$argv"
  cd "$folder"
  (
    exec >"$output" 2>&1
    [ "$nofile" = 0 ] || ulimit -n "$nofile" || exit 126
    # A session of its own, numbered as the process: what it starts can be ended with it.
    exec setsid "$@"
  ) &
  pid=$!
  read_start "$pid"
  read -r boot </proc/sys/kernel/random/boot_id
  put "$folder/pid" "$pid ${start_of:--} $boot $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo "$pid"
  exec >/dev/null
  code=0
  wait "$pid" || code=$?
  put "$folder/exit" "$code $(date -u +%Y-%m-%dT%H:%M:%SZ) $pid"
}

# Sets stopped_pid: the process that was asked to stop.
read_stop() {
  stopped_pid='' stopped_start=''
  [ ! -f "$1/stop" ] || read -r stopped_pid stopped_start <"$1/stop"
}

# ask_to_stop FOLDER EFFECT NAME: SIGTERM once to the process that runs now.
ask_to_stop() {
  read_stop "$1"
  [ "$stopped_pid" != "$unit_pid" ] || return 0
  put "$1/stop" "$unit_pid"
  kill -TERM "$unit_pid" 2>/dev/null || :
  effect "$2" "$3 pid $unit_pid"
}

# After read_unit: a supervisor needs a moment to note how its process ended, and must not write into a folder that is taken away.
await_note() {
  case $unit in absent | running) return 0 ;; esac
  deadline_in 1000
  while [ "$unit_code" = - ] && nap; do read_unit "$1"; done
}

# await_end FOLDER WAIT_MS
await_end() {
  deadline_in "$2"
  read_unit "$1"
  while [ "$unit" = running ]; do
    nap || refuse "$TOO_SLOW" "$unit_pid"
    read_unit "$1"
  done
  await_note "$1"
}
