# Sets listening to `PORT INODE UID` lines: sockets in the way of ADDRESS and each PORT. Read from /proc/net, as `ss` may be missing. The kernel
# writes an IPv4 address as four bytes in the machine's order; for an IPv6 address every IPv6 listener on the port counts.
read_listening() {
  address=$1
  shift
  tables=/proc/net/tcp
  [ ! -r /proc/net/tcp6 ] || tables="$tables /proc/net/tcp6"
  # shellcheck disable=SC2086
  listening=$(awk -v address="$address" -v ports="$*" '
    BEGIN {
      hex = "none"
      if (split(address, byte, ".") == 4) hex = sprintf("%02X%02X%02X%02X", byte[4], byte[3], byte[2], byte[1])
      count = split(ports, list, " ")
      for (i = 1; i <= count; i++) wanted[sprintf("%04X", list[i])] = list[i]
    }
    $4 == "0A" {
      split($2, place, ":")
      ip = place[1]
      mine = ip ~ /^0+$/ || ip == hex || ip == "0000000000000000FFFF0000" hex || (hex == "none" && length(ip) == 32)
      if (mine && place[2] in wanted) print wanted[place[2]], $10, $8
    }' $tables)
}

# Sets owner and pid: who holds the socket, as far as this user may see.
# shellcheck disable=SC2012 # find has no -lname everywhere, and the names are ours to expect
read_owner() {
  pid=$(ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v socket="socket:[$1]" '
    /^\/proc/ { split($1, part, "/"); pid = part[3] }
    $NF == socket { print pid; exit }') || :
  owner='another process (not visible to this user)'
  [ -n "$pid" ] || return 0
  # It may have ended since.
  if { read -r name <"/proc/$pid/comm"; } 2>/dev/null; then owner="$name (pid $pid)"; else pid=''; fi
}

# still_listens INODE: whether the socket is there at this moment.
still_listens() {
  # shellcheck disable=SC2086
  [ -n "$(awk -v inode="$1" '$4 == "0A" && $10 == inode { print; exit }' $tables)" ]
}

# Whether somebody examines ports at this moment: of another account's process no more than its name can be seen.
exam_runs() {
  grep -qsx redisforge-exam /proc/[0-9]*/comm
}

# say_taken PORT_OF_NODE OWN_PID: one line for each listener in $listening on this node's two ports that is not the node itself.
say_taken() {
  own='' own_uid=''
  if [ "$2" != - ] && ! own=$(ls -l "/proc/$2/fd" 2>/dev/null); then
    # In a container even root may not look into a process of another account: then the socket's account has to do.
    own_uid=$(stat -c %u "/proc/$2" 2>/dev/null) || :
  fi
  while read -r port inode uid; do
    [ "$port" = "$1" ] || [ "$port" = "$(($1 + 10000))" ] || continue
    case $own in *"socket:[$inode]"*) continue ;; esac
    [ "$uid" != "${own_uid:-none}" ] || continue
    read_owner "$inode"
    # A listener of the exam of the ports is gone in a moment, and may be so by now.
    case $owner in 'redisforge-exam '*) continue ;; esac
    # In this order: a socket that outlives the last exam is none of an exam's.
    if [ -z "$pid" ]; then
      ! exam_runs || continue
      still_listens "$inode" || continue
    fi
    say taken "$1" "$port" "$owner"
  done <<LISTENING
$listening
LISTENING
}
