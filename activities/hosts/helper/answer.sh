# Sets plain: the text with `?` for each control character, which would begin a field or a line of its own in an answer or the journal.
read_plain() {
  plain=$1
  while :; do
    case $plain in *[[:cntrl:]]*) plain="${plain%%[[:cntrl:]]*}?${plain#*[[:cntrl:]]}" ;; *) return 0 ;; esac
  done
}

# say WORD FIELD...: one line of the answer, fields between tabs. The caller may be gone; the effect still has to be finished.
say() {
  line=$1
  shift
  for field; do
    read_plain "$field"
    line="$line$TAB$plain"
  done
  printf '%s\n' "$line" || :
} 2>/dev/null

# refuse CODE FIELD...: the answer ends here; nothing was changed by what follows.
refuse() {
  code=$1
  shift
  say refused "$@"
  exit "$code"
}

usage() {
  printf 'redisforge-host: %s (see redisforge-host help)\n' "$1" >&2
  exit "$USAGE"
}

want_number() {
  case $2 in '' | *[!0-9]* | 0?* | ????????????????*) usage "$1 has to be a number, not '$2'" ;; esac
}

# For what is kept in a file of one line each.
want_line() {
  case $2 in *[[:cntrl:]]*) usage "$1 cannot hold a line break or another control character" ;; esac
}

# Sets uptime_ms: a clock that nobody can set, read without a process.
read_uptime() {
  read -r uptime_ms _ </proc/uptime
  uptime_ms=${uptime_ms%.*}${uptime_ms#*.}0
}

# Sets deadline.
deadline_in() {
  read_uptime
  deadline=$((uptime_ms + $1))
}

# Naps for a moment; false once the deadline is over.
nap() {
  read_uptime
  [ "$uptime_ms" -lt "$deadline" ] && sleep 0.02
}

# put FILE TEXT...: these lines become the file, whole or not at all.
put() {
  put_beside "$@"
  mv -f "$1.new" "$1"
}

# put_safely FILE TEXT...: as put, and still there after the power fails.
put_safely() {
  put_beside "$@"
  sync "$1.new"
  mv -f "$1.new" "$1"
}

put_beside() {
  beside=$1.new
  shift
  printf '%s\n' "$@" >"$beside"
}

# forget FILE...: each program that is called costs more than to see that there is nothing to do.
forget() {
  for forgotten; do
    [ ! -e "$forgotten" ] || rm -f "$forgotten"
  done
}

# Sets digest; '-' where there is no such file.
read_digest() {
  digest=-
  [ -f "$1" ] || return 0
  digest=$(sha256sum <"$1")
  digest=${digest%% *}
}
