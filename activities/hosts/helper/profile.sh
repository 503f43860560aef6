# The settings of the operating system that domain/os-profile.ts wants. This list is all that the program ever writes outside of its root and
# the services' folders.
PROFILE='net.core.somaxconn net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_keepalive_time net.ipv4.tcp_keepalive_intvl
  net.ipv4.tcp_keepalive_probes vm.overcommit_memory vm.swappiness thp.enabled thp.defrag'

# Where the machine's files are.
MACHINE=''

# Sets place, the file of a setting, and scope: network where each network namespace has its own, machine where all that share the kernel share it.
read_place() {
  case $1 in
    net.core.somaxconn) scope=network place=net/core/somaxconn ;;
    net.ipv4.tcp_max_syn_backlog | net.ipv4.tcp_keepalive_time | net.ipv4.tcp_keepalive_intvl | net.ipv4.tcp_keepalive_probes)
      scope=network place=net/ipv4/${1##*.}
      ;;
    vm.overcommit_memory | vm.swappiness) scope=machine place=vm/${1##*.} ;;
    thp.enabled | thp.defrag)
      scope=machine place=$MACHINE/sys/kernel/mm/transparent_hugepage/${1##*.}
      return
      ;;
    *) usage "the profile has no setting '$1'" ;;
  esac
  place=$MACHINE/proc/sys/$place
}

# Sets own: machine, network or nothing, which is what of the kernel's settings is this host's alone; and sharing, why that is not all. Whatever
# leaves a doubt counts as shared: in a container with enough rights a value of the machine can be written like one's own.
read_own() {
  own=nothing
  if [ -n "${REDISFORGE_LAB_HOST-}" ]; then
    sharing='a lab host, one of several on one machine'
    return
  fi
  read_container
  if [ -z "$sharing" ]; then
    own=machine
  # These exist in the machine's own network namespace alone; in any other, what can be seen belongs to it.
  elif [ -d "$MACHINE/proc/sys/net/core" ] && [ ! -e "$MACHINE/proc/sys/net/core/netdev_max_backlog" ] &&
    [ ! -e "$MACHINE/proc/sys/net/core/dev_weight" ]; then
    own=network
  fi
}

# Sets sharing. The numbers are those of the kernel's first namespaces (PROC_PID_INIT_INO and PROC_USER_INIT_INO).
read_container() {
  sharing=''
  ! kind=$(systemd-detect-virt --container 2>/dev/null) || sharing="a container ($kind)"
  [ -z "$sharing" ] || return 0
  for sign in run/systemd/container run/.containerenv .dockerenv proc/vz/veinfo; do
    [ ! -e "$MACHINE/$sign" ] || sharing="a container (it has /$sign)"
  done
  ! { tr '\0' '\n' <"$MACHINE/proc/1/environ" | grep -q '^container='; } 2>/dev/null || sharing='a container (its init says so)'
  [ "$(readlink "$MACHINE/proc/self/ns/pid")" = 'pid:[4026531836]' ] || sharing='a container (it has its own processes)'
  [ "$(readlink "$MACHINE/proc/self/ns/user")" = 'user:[4026531837]' ] || sharing='a container (it has its own users)'
}

# Sets value. By cat, in one read: the kernel gives a number at the first read and nothing after it, and some shells read a byte at a time, which
# makes 4 of 4096. THP's files show all words, the chosen one in brackets.
read_value() {
  value=$(cat "$1" 2>/dev/null) || return 0
  case $value in *'['*']'*) value=${value#*[} && value=${value%%]*} ;; esac
}

# Sets values: a line `KEY<tab>VALUE` for each setting of the profile, by one program for all; by one for each where it cannot read one of them.
read_values() {
  set --
  for key in $PROFILE; do
    read_place "$key"
    [ ! -r "$place" ] || set -- "$@" "key=$key" "$place"
  done
  [ $# -gt 0 ] || { values='' && return; }
  values=$(awk '
    FNR == 1 {
      if (match($0, /\[[^]]*\]/)) $0 = substr($0, RSTART + 1, RLENGTH - 2)
      print key "\t" $0
    }' "$@" 2>/dev/null) || values=$(for key in $PROFILE; do
    read_place "$key"
    read_value "$place"
    [ -z "$value" ] || printf '%s\t%s\n' "$key" "$value"
  done)
}

# Sets sysctl_file and tmpfiles_file: what brings the profile back at the next boot, one for each cluster that this host serves.
read_kept_files() {
  case $cluster_name in '' | *[!a-z0-9-]*) cluster_name=none ;; esac
  sysctl_file="$MACHINE/etc/sysctl.d/90-redisforge-$cluster_name.conf"
  tmpfiles_file="$MACHINE/etc/tmpfiles.d/redisforge-$cluster_name.conf"
}

# After say_record, which reads the cluster's name.
say_profile() {
  read_own
  say profile "$own" "$sharing"
  read_values
  while IFS=$TAB read -r key value; do
    [ -n "$value" ] || continue
    read_place "$key"
    writable=no
    [ ! -w "$place" ] || writable=yes
    say setting "$key" "$value" "$writable"
  done <<VALUES
$values
VALUES
  say_kept
  awk 'NR > 1 { swap += $3 * 1024 } END { printf "swap\t%.0f\n", swap }' "$MACHINE/proc/swaps" 2>/dev/null || say swap 0
  if [ "$own" = machine ]; then say_time_service; else say timeservice 'that of its machine'; fi
}

say_kept() {
  read_kept_files
  keepable=no
  [ ! -w "$MACHINE/etc/sysctl.d" ] || [ ! -w "$MACHINE/etc/tmpfiles.d" ] || keepable=yes
  say keepable "$keepable"
  [ ! -f "$sysctl_file" ] || awk '$2 == "=" { print "kept\t" $1 "\t" $3 }' "$sysctl_file"
  [ ! -f "$tmpfiles_file" ] || awk '$1 == "w" { sub(".*/", "thp.", $2); print "kept\t" $2 "\t" $7 }' "$tmpfiles_file"
}

# By the programs that run, as not every host has systemd.
say_time_service() {
  for name in "$MACHINE"/proc/[0-9]*/comm; do
    { read -r comm <"$name"; } 2>/dev/null || continue
    case $comm in
      chronyd | ntpd | ntpd-rs | openntpd | systemd-timesyn*) say timeservice "$comm" && return ;;
    esac
  done
}

# profile KEY=VALUE...: keeps exactly these for the next boot, sets them now, and reads them back. What is not this host's own, or does not
# take the value, is answered as denied, and everything else is done.
profile() {
  for pair; do
    case $pair in ?*=[a-z0-9]*) ;; *) usage "profile takes KEY=VALUE, not '$pair'" ;; esac
    case ${pair#*=} in *[!a-z0-9]*) usage "'$pair' has no value of the profile" ;; esac
    read_place "${pair%%=*}"
  done
  begin
  read_own
  read_kept_files
  keep_profile "$@"
  for pair; do set_value "${pair%%=*}" "${pair#*=}"; done
}

# Sets denied: why a setting is not to be written; empty where it may be.
read_denied() {
  denied=''
  read_place "$1"
  case $own:$scope in
    machine:* | network:network) [ -e "$place" ] || denied='this kernel does not know it' ;;
    *) denied="not its own: $sharing" ;;
  esac
}

keep_profile() {
  {
    printf '# Written by RedisForge for cluster %s, and again by its next apply.\n' "$cluster_name"
    for pair; do
      read_denied "${pair%%=*}"
      case $pair in thp.*) continue ;; esac
      [ -n "$denied" ] || printf '%s = %s\n' "${pair%%=*}" "${pair#*=}"
    done
  } | keep_file "$sysctl_file"
  {
    printf '# Written by RedisForge for cluster %s, and again by its next apply.\n' "$cluster_name"
    for pair; do
      read_denied "${pair%%=*}"
      case $pair in thp.*) [ -n "$denied" ] || printf 'w /sys/kernel/mm/transparent_hugepage/%s - - - - %s\n' "${place##*/}" "${pair#*=}" ;; esac
    done
  } | keep_file "$tmpfiles_file"
}

# keep_file FILE, in a shell of its own: stdin becomes the file; with nothing beside the first line it is no file at all.
keep_file() {
  content=$(cat)
  case $content in
    *"
"*) ;;
    *)
      [ -f "$1" ] || return 0
      rm -f "$1"
      effect os.forgotten "${1#"$MACHINE"}"
      return
      ;;
  esac
  [ "$(cat "$1" 2>/dev/null)" != "$content" ] || return 0
  if [ ! -w "${1%/*}" ]; then
    say denied "${1##*/}" "its folder cannot be written"
    return
  fi
  umask 022
  put_safely "$1" "$content"
  effect os.kept "${1#"$MACHINE"}"
}

set_value() {
  read_denied "$1"
  if [ -z "$denied" ]; then
    read_value "$place"
    [ "$value" != "$2" ] || return 0
    before=$value
    { printf '%s\n' "$2" >"$place"; } 2>/dev/null || denied='it cannot be written'
    read_value "$place"
    [ "$value" = "$2" ] || denied=${denied:-"it took the value $value"}
  fi
  if [ -n "$denied" ]; then say denied "$1" "$denied"; else effect os.set "$1 $before -> $2"; fi
}

# Nothing of ours is to come back with the next boot; what runs stays until then.
forget_profile() {
  read_kept_files
  for kept_file in "$sysctl_file" "$tmpfiles_file"; do
    [ ! -f "$kept_file" ] || { rm -f "$kept_file" && effect os.forgotten "${kept_file#"$MACHINE"}"; }
  done
}
