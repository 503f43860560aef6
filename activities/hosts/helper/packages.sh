# Packages of the host's own manager. They are of the whole machine, not of our root: a pinned version is installed and held, its own service never starts.

# How long another program may hold the manager's lock, seconds.
PACKAGE_LOCK_WAIT=120

want_manager() {
  case $1 in apt | dnf) ;; *) usage "'$1' is no package manager that is known here" ;; esac
}

want_package() {
  for word; do
    case $word in '' | -* | *[!A-Za-z0-9._+:~^-]*) usage "'$word' is no name or version of a package" ;; esac
  done
}

# say_package MANAGER NAME: version, and whether it is held; nothing where it is not installed.
say_package() {
  read_installed "$1" "$2"
  [ -z "$installed" ] || say package "$installed" "$(if is_held "$1" "$2"; then echo held; else echo loose; fi)"
}

# Sets installed.
read_installed() {
  case $1 in
    apt) installed=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$2" 2>/dev/null) || installed='' ;;
    dnf) installed=$(rpm -q --qf 'installed %{EVR}' "$2" 2>/dev/null) || installed='' ;;
  esac
  case $installed in 'installed '*) installed=${installed#installed } ;; *) installed='' ;; esac
}

is_held() {
  case $1 in
    apt) [ "$(apt-mark showhold "$2" 2>/dev/null)" != '' ] ;;
    dnf) dnf -q versionlock list 2>/dev/null | awk -v name="$2-" 'index($0, name) == 1 { found = 1 } END { exit !found }' ;;
  esac
}

# package repository MANAGER ID KEY_SHA256 URL [SUITE COMPONENT ...]: stdin is the vendor's public key. Only what is signed by it is taken from there.
package_repository() {
  want_manager "$1"
  manager=$1 id=redisforge-$2 wanted=$3 url=$4
  want_package "$2"
  shift 4
  case "$url $*" in *[!A-Za-z0-9._~:/?#@!\&*+,\;=%\ -]*) usage 'the address of a repository has no such characters' ;; esac
  begin
  key=$(mktemp "$record/key.XXXXXX")
  trap 'rm -f "$key"' EXIT
  cat >"$key"
  read_digest "$key"
  [ "$digest" = "$wanted" ] || refuse "$BAD_PACKAGE" key "$wanted" "$digest"
  case $manager in
    apt) apt_repository "$@" ;;
    dnf) dnf_repository ;;
  esac
}

apt_repository() {
  ending=gpg
  ! grep -q '^-----BEGIN PGP' "$key" || ending=asc
  place "$key" "$MACHINE/etc/apt/keyrings/$id.$ending"
  suite=$1
  shift
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n' "$url" "$suite" "$*" "/etc/apt/keyrings/$id.$ending" >"$key"
  place "$key" "$MACHINE/etc/apt/sources.list.d/$id.sources"
}

dnf_repository() {
  place "$key" "$MACHINE/etc/pki/rpm-gpg/$id"
  printf '[%s]\nname=%s\nbaseurl=%s\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://%s\n' "$id" "$id" "$url" "/etc/pki/rpm-gpg/$id" >"$key"
  place "$key" "$MACHINE/etc/yum.repos.d/$id.repo"
}

# place FILE PATH: a copy that everybody may read, where it differs.
place() {
  read_digest "$2"
  found=$digest
  read_digest "$1"
  [ "$found" != "$digest" ] || return 0
  [ -d "${2%/*}" ] || (umask 022 && mkdir -p "${2%/*}")
  cp "$1" "$2.new"
  chmod 644 "$2.new"
  sync "$2.new"
  mv -f "$2.new" "$2"
  effect file.updated "$2"
}

# package install MANAGER NAME VERSION PROGRAM VERSION_WORDS [REPOSITORY]: takes its time: run it as a job.
package_install() {
  want_manager "$1"
  want_package "$2" "$3"
  begin
  read_installed "$1" "$2"
  before=$installed
  unlock
  [ "$(id -u)" = 0 ] || refuse "$BAD_PACKAGE" privilege
  if [ "$before" != "$3" ]; then
    case $1 in
      apt) apt_install "$2" "$3" "${6:-}" ;;
      dnf) dnf_install "$2" "$3" ;;
    esac
    read_installed "$1" "$2"
    [ "$installed" = "$3" ] || refuse "$BAD_PACKAGE" manager "the manager was content, and ${installed:-no version} is installed"
  fi
  is_held "$1" "$2" || hold "$1" "$2"
  begin
  [ "$before" = "$3" ] || effect package.installed "$2 $3"
  said=$("$4" --version 2>&1) || refuse "$BAD_PACKAGE" program "$4 does not run: $(printf '%s' "$said" | tail -n 1)"
  case "${said%% sha=*} " in
    "$5 "* | "$5."*) ;;
    *) refuse "$BAD_PACKAGE" version "$5" "$(printf '%s' "$said" | head -n 1)" ;;
  esac
}

# apt_install NAME VERSION REPOSITORY
apt_install() {
  export DEBIAN_FRONTEND=noninteractive LC_ALL=C
  # An installation that was cut off before: finished first, or nothing else is possible.
  [ -z "$(dpkg --audit 2>/dev/null)" ] || run_manager dpkg --force-confold --configure -a
  if [ -n "$3" ]; then
    run_manager apt-get -q -o "DPkg::Lock::Timeout=$PACKAGE_LOCK_WAIT" -o "Dir::Etc::SourceList=/etc/apt/sources.list.d/redisforge-$3.sources" \
      -o Dir::Etc::SourceParts=/dev/null -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any update
  fi
  has_version "$1" "$2" || run_manager apt-get -q -o "DPkg::Lock::Timeout=$PACKAGE_LOCK_WAIT" update
  has_version "$1" "$2" || refuse "$BAD_PACKAGE" missing "$1" "$2" "$(apt-cache madison "$1" 2>/dev/null | awk -F '|' '{ gsub(/ /, "", $2); print $2 }' | sort -u | tr '\n' ' ')"
  mask_service "$1"
  keep_services_down
  # shellcheck disable=SC2046 # names and versions have no blanks
  run_manager apt-get -q -y --no-install-recommends --allow-downgrades --allow-change-held-packages -o "DPkg::Lock::Timeout=$PACKAGE_LOCK_WAIT" \
    -o Dpkg::Options::=--force-confold install "$1=$2" $(siblings "$1" "$2")
}

has_version() {
  apt-cache madison "$1" 2>/dev/null | awk -F '|' -v version="$2" '{ gsub(/ /, "", $2) } $2 == version { found = 1 } END { exit !found }'
}

# The packages that it wants in exactly one version: apt would take the newest of them, and then find no way.
siblings() {
  apt-cache show --no-all-versions "$1=$2" | awk '/^(Pre-)?Depends: / {
    count = split($0, wish, /[:,] */)
    for (i = 2; i <= count; i++) if (match(wish[i], /^[a-z0-9+.-]+ \(= [^)]+\)$/)) {
      split(wish[i], part, / \(= |\)/)
      print part[1] "=" part[2]
    }
  }'
}

# mask_service NAME: nodes run as our own units or processes, and never as the package's.
mask_service() {
  if [ -d "$MACHINE/run/systemd/system" ] && [ ! -e "$MACHINE/etc/systemd/system/$1.service" ]; then systemctl mask "$1.service" >/dev/null 2>&1 || :; fi
}

# Debian's scripts of packages start services also where there is no systemd, unless this file says no. One of the machine's own stays.
keep_services_down() {
  policy="$MACHINE/usr/sbin/policy-rc.d"
  if [ ! -e "$policy" ] || grep -q '^# redisforge' "$policy"; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\n# redisforge: while it installs a package\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
}

# dnf_install NAME VERSION
dnf_install() {
  mask_service "$1"
  run_manager dnf -y --setopt="exit_on_lock=False" --setopt=install_weak_deps=False --allowerasing install "$1-$2"
}

# hold MANAGER NAME: no upgrade of the machine takes it along.
hold() {
  case $1 in
    apt) run_manager apt-mark hold "$2" ;;
    dnf) run_manager dnf -y versionlock add "$2" ;;
  esac
}

# Its words go to the output of the job; the last of them into the refusal.
run_manager() {
  # Files that a package brings are for everybody.
  umask 022
  told=$("$@" 2>&1) || {
    printf '%s\n' "$told"
    reason=$(printf '%s\n' "$told" | grep -E '^(E:|W: .*(GPG|NO_PUBKEY|signature)|Err:|Error|dpkg: error)' | tail -n 3 | tr '\n\t' '| ') || reason=''
    refuse "$BAD_PACKAGE" manager "${reason:-$(printf '%s' "$told" | tail -n 1)}"
  }
  umask 077
}
