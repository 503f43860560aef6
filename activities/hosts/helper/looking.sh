survey() {
  server='' address='' nofile=0 profile=off unit_file='' tools='' packaged=''
  while [ $# -gt 0 ]; do
    case $1 in
      server=*) server=${1#*=} ;;
      address=*) address=${1#*=} ;;
      nofile=*) nofile=${1#*=} ;;
      profile=*) profile=${1#*=} ;;
      unit=*) unit_file=${1#*=} ;;
      package=*) packaged=${1#*=} ;;
      tool=*) tools="$tools ${1#*=}" ;;
      *) break ;;
    esac
    shift
  done
  want_number nofile "$nofile"
  for port; do want_number PORT "$port"; done
  say_exam
  say_record
  [ "$profile" = off ] || say_profile
  say_nodes "$address" "$@"
  say end
}

say_exam() {
  # First, as the caller compares it with its own clock. Without milliseconds the middle of the second is the best guess.
  clock=$(date +%s%3N)
  case $clock in *[!0-9]*) clock=$(date +%s)500 ;; esac
  say clock "$clock"
  read -r hostname </proc/sys/kernel/hostname
  say hostname "$hostname"
  PRETTY_NAME=unknown
  # shellcheck source=/dev/null
  [ ! -r /etc/os-release ] || . /etc/os-release
  say os "$PRETTY_NAME"
  say arch "$(uname -m)"
  awk '
    $1 == "processor" { cpus++ }
    $1 == "MemTotal:" { total = $2 * 1024 }
    $1 == "MemAvailable:" { available = $2 * 1024 }
    END { printf "cpus\t%d\nmemory\t%.0f\t%.0f\n", cpus, total, available }' /proc/cpuinfo /proc/meminfo
  say_root
  if [ "$(id -u)" = 0 ]; then say privileged yes; else say privileged no; fi
  say_systemd "$unit_file"
  # A hard limit may still be raised by root: what counts is whether the wanted one can be set.
  limit=$(ulimit -Hn)
  [ "$limit" != unlimited ] || limit=1048576
  [ "$nofile" -le "$limit" ] || ! (ulimit -n "$nofile") 2>/dev/null || limit=$nofile
  say nofile "$limit"
  [ -z "$packaged" ] || say_package "${packaged%%:*}" "${packaged#*:}"
  for tool in $TOOLS $tools; do say_missing "$tool"; done
  [ -z "$server" ] || ! version=$("$server" --version 2>/dev/null) || say server "$version"
}

# say_missing A|B|C: unless one of them is there.
say_missing() {
  rest=$1'|'
  while [ -n "$rest" ]; do
    ! command -v "${rest%%|*}" >/dev/null 2>&1 || return 0
    rest=${rest#*|}
  done
  say missing "$1"
}

# The root may not be there yet: then its nearest folder decides.
say_root() {
  nearest=$root
  while [ ! -e "$nearest" ]; do
    nearest=${nearest%/*}
    [ -n "$nearest" ] || nearest=/
  done
  free=0
  {
    read -r _
    read -r _ _ _ free _
  } <<DF
$(df -Pk "$nearest")
DF
  say disk "$((free * 1024))"
  [ -d "$nearest" ] || say root "$nearest is not a folder"
  [ -d "$nearest" ] && [ ! -w "$nearest" ] || return 0
  case ",$(findmnt -no OPTIONS -T "$nearest" 2>/dev/null | tail -n 1)," in
    *,ro,*) say root "$nearest is on a read-only file system" ;;
    *) say root "$nearest cannot be written by this user" ;;
  esac
}

# say_nodes ADDRESS PORT...
say_nodes() {
  address=$1
  shift
  [ $# -gt 0 ] || return 0
  both=''
  for port; do both="$both $port $((port + 10000))"; done
  # shellcheck disable=SC2086
  read_listening "${address:-0.0.0.0}" $both
  look_ahead "$@"
  for node; do
    home="$root/nodes/$node"
    node_status "$node"
    [ "$unit" != running ] || say_limit "$node" "$unit_pid"
    [ ! -L "$home/current" ] || say_link "$node" "$home/current"
    say_taken "$node" "$unit_pid"
    for file in "$home"/data/* "$home"/data/.[!.]*; do
      [ ! -e "$file" ] || say data "$node" "${file##*/}"
    done
  done
  say_digests "$@"
}

# say_link PORT LINK: the engine that a node's link leads to.
say_link() {
  leads=$(readlink "$2")
  say engine "$1" "${leads##*/}"
}

# say_digests PORT...: one process for all files of all nodes.
say_digests() {
  count=$#
  for node; do
    for file in redis.conf users.acl service; do
      [ ! -f "$root/nodes/$node/$file" ] || set -- "$@" "$root/nodes/$node/$file"
    done
  done
  shift "$count"
  [ $# -gt 0 ] || return 0
  sha256sum "$@" | while read -r sum file; do
    home=${file%/*}
    say digest "${home##*/}" "${file##*/}" "$sum"
  done
}

show() {
  set --
  for home in "$root"/nodes/*; do
    case ${home##*/} in *[!0-9]*) continue ;; esac
    [ ! -d "$home" ] || set -- "$@" "${home##*/}"
  done
  say_record
  say_nodes 0.0.0.0 "$@"
}

journal() {
  want_number LINES "$1"
  [ ! -f "$record/journal" ] || tail -n "$1" "$record/journal"
}

refusals() {
  want_number LINES "$1"
  [ ! -f "$record/refusals" ] || tail -n "$1" "$record/refusals"
}
