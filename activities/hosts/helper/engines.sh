# Engines lie side by side in `engines/NAME`, and each node has a link of its own to one of them: `nodes/PORT/current`. What is on its way has a
# name that begins with a dot.

# Sets engine and archive.
want_engine() {
  case $1 in '' | .* | *[!A-Za-z0-9._-]*) usage "'$1' is no name for an engine" ;; esac
  case $2 in *[!0-9a-f]* | '') usage "'$2' is no sha256" ;; esac
  engine="$root/engines/$1" archive="$root/engines/.$1.archive"
}

# engine receive NAME SHA256: stdin becomes the archive, unless it or the engine is there. The lock is free while the bytes come in.
engine_receive() {
  want_engine "$1" "$2"
  begin
  [ ! -d "$engine" ] || return 0
  read_digest "$archive"
  [ "$digest" != "$2" ] || return 0
  make_engines
  unlock
  incoming=$(mktemp "$root/engines/.incoming.XXXXXX")
  trap 'rm -f "$incoming"' EXIT
  cat >"$incoming" || refuse "$BAD_ENGINE" disk "$(df -Pk "$root/engines" | awk 'NR == 2 { print $4 }') KiB are free"
  keep_archive "$1" "$2"
}

# keep_archive NAME SHA256: $incoming becomes the archive if it is the wanted one.
keep_archive() {
  read_digest "$incoming"
  [ "$digest" = "$2" ] || refuse "$BAD_ENGINE" digest "$2" "$digest"
  sync "$incoming"
  begin
  mv -f "$incoming" "$archive"
  effect archive.received "$1"
  unlock
}

# Others may have to read programs here: a node can have a user of its own. What an attempt before this one left unfinished goes.
make_engines() {
  [ -d "$root/engines" ] || mkdir "$root/engines"
  chmod 755 "$root/engines"
  rm -rf "$root"/engines/.incoming.* "$root"/engines/.*.new "$root"/engines/.*.new.log
}

# engine build NAME SHA256 PROGRAM VERSION_WORDS [URL]: the archive becomes the engine, whole or not at all; from URL where one is given. PROGRAM is its
# server, which has to say VERSION_WORDS.
engine_build() {
  want_engine "$1" "$2"
  begin
  [ ! -d "$engine" ] || return 0
  make_engines
  unlock
  [ $# -lt 5 ] || fetch_archive "$1" "$2" "$5"
  read_digest "$archive"
  [ "$digest" = "$2" ] || refuse "$BAD_ENGINE" digest "$2" "$digest"
  work="$root/engines/.$1.new"
  trap 'rm -rf "$work" "$work.log" "$archive" || :' EXIT
  mkdir "$work"
  unpack "$work"
  refuse_outside "$work"
  home=$work only=$(ls -A "$work")
  # A single folder at its top; several names in $only are the name of nothing.
  [ -e "$work/$3" ] || [ ! -d "$work/$only" ] || [ -L "$work/$only" ] || home="$work/$only"
  chmod -R u=rwX,go=rX "$home"
  want_program "$home/$3" "$4"
  find "$home" -type f -exec sync {} +
  begin
  [ -d "$engine" ] || mv "$home" "$engine"
  effect engine.installed "$1"
}

# fetch_archive NAME SHA256 URL: a part that came before a break is gone on with.
fetch_archive() {
  read_digest "$archive"
  [ "$digest" != "$2" ] || return 0
  incoming="$root/engines/.$1.part"
  if command -v curl >/dev/null 2>&1; then
    fetched=$(curl -fsSL --proto '=https,http' --retry 3 --connect-timeout 20 -C - -o "$incoming" -- "$3" 2>&1) || failed_fetch "$fetched"
  elif command -v wget >/dev/null 2>&1; then
    fetched=$(wget -q -c -T 20 -O "$incoming" -- "$3" 2>&1) || failed_fetch "${fetched:-wget gave no reason}"
  else
    refuse "$BAD_ENGINE" fetch 'the host has neither curl nor wget'
  fi
  trap 'rm -f "$incoming"' EXIT
  keep_archive "$1" "$2"
}

# A server that cannot go on in the middle must not stop every attempt after this one.
failed_fetch() {
  case $1 in *range* | *416*) rm -f "$incoming" ;; esac
  refuse "$BAD_ENGINE" fetch "$(printf '%s' "$1" | tail -n 1)"
}

# expand: the archive as a tar. Its first bytes say what it is compressed with, whatever its name is.
expand() {
  case $(od -An -tx1 -N 6 "$archive" | tr -d ' \n') in
    1f8b*) gzip -dc <"$archive" ;;
    fd377a585a00) xz -dc <"$archive" ;;
    28b52ffd*) zstd -qdc <"$archive" ;;
    *) cat "$archive" ;;
  esac
}

# unpack FOLDER: nothing is unpacked before all that is in the archive was looked at.
unpack() {
  listed=$(expand | tar -tf - 2>"$1.log") || refuse "$BAD_ENGINE" unpack "$(tail -n 1 "$1.log")"
  [ -n "$listed" ] || refuse "$BAD_ENGINE" unpack 'it is empty'
  hostile=$(printf '%s\n' "$listed" | awk '/^\// || /(^|\/)\.\.(\/|$)/ { print; exit }')
  [ -z "$hostile" ] || refuse "$BAD_ENGINE" hostile "the path $hostile leads out of it"
  hostile=$(expand | tar -tvf - 2>/dev/null | awk '!/^[-dl]/ { print; exit }')
  [ -z "$hostile" ] || refuse "$BAD_ENGINE" hostile "it holds something else than files, folders and symbolic links: $hostile"
  expand | tar -xof - -C "$1" 2>"$1.log" || refuse "$BAD_ENGINE" unpack "$(tail -n 1 "$1.log")"
}

# refuse_outside FOLDER: after unpacking, every link in it has to end in it.
refuse_outside() {
  inside=$(readlink -f "$1")
  find "$1" -type l | while IFS= read -r link; do
    target=$(readlink -f "$link") || target='nowhere'
    case $target in "$inside"/*) ;; *) say refused hostile "the link ${link#"$1"/} leads to $(readlink "$link")" && exit 1 ;; esac
  done || exit "$BAD_ENGINE"
}

# want_program FILE VERSION_WORDS
want_program() {
  [ -f "$1" ] || refuse "$BAD_ENGINE" program "there is no file ${1#"$home"/} in it"
  read_machine "$1"
  [ -z "$machine" ] || [ "$machine" = "$(uname -m)" ] || refuse "$BAD_ENGINE" machine "$machine" "$(uname -m)"
  said=$(timeout 20 "$1" --version 2>&1) || refuse "$BAD_ENGINE" program "it does not run: $(printf '%s' "$said" | tail -n 1)"
  case "${said%% sha=*} " in
    "$2 "* | "$2."*) ;;
    *) refuse "$BAD_ENGINE" version "$2" "$(printf '%s' "$said" | head -n 1)" ;;
  esac
}

# Sets machine: what a binary is built for, in the words of uname -m; empty where the file is no binary, or a rare one.
read_machine() {
  machine=''
  case $(od -An -tx1 -N 20 "$1" | tr -d ' \n') in
    7f454c4602*3e00) machine=x86_64 ;;
    7f454c4602*b700) machine=aarch64 ;;
    7f454c4601*0300) machine=i386 ;;
    7f454c4601*2800) machine=arm ;;
    7f454c4602*f300) machine=riscv64 ;;
    7f454c4602*1500) machine=ppc64le ;;
  esac
}
