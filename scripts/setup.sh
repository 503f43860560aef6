#!/usr/bin/env bash
# Installs what the project needs and this machine lacks, and nothing else: Debian packages, Node, npm packages, the Temporal CLI.
# Says so first, and asks unless CI=true or YES=1. A second run finds everything there and ends at once.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# The digests were compared between independent public sources when they were written here; for Temporal's arm64 one there was a single source.
NODE_VERSION=20.20.2
NODE_SHA256_x64=19e56f0825510207dd904f087fe52faa0a4eb6b2aab5f0ea7a33830d04888b8b
NODE_SHA256_arm64=47ef73d543ecf6eb19435f6c03a0ac4809b3bf0dd6b26c7c571efc2a6572a74d
TEMPORAL_VERSION=1.5.1
TEMPORAL_SHA256_amd64=ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d
TEMPORAL_SHA256_arm64=bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5
# `go install` of that version needs at least this Go.
GO_LEAST_MINOR=25

case $(uname -m) in
  x86_64) node_arch=x64 temporal_arch=amd64 ;;
  aarch64) node_arch=arm64 temporal_arch=arm64 ;;
  *) die "This machine is a $(uname -m); the Temporal SDK comes for x86_64 and aarch64 only." "Use such a machine." ;;
esac

missing_packages() {
  local command_and_package
  for command_and_package in redis-server:redis-server sshd:openssh-server ssh:openssh-client ssh-keygen:openssh-client \
    gpg:gpg flock:util-linux setsid:util-linux ps:procps sha256sum:coreutils; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${command_and_package%%:*}" >/dev/null || echo "${command_and_package##*:}"
  done | sort -u
}

node_missing() { ! node_is_good; }

# npm writes its own record of what it installed last of all.
npm_packages_missing() { ! [ -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; }

temporal_missing() {
  if [ -n "${TEMPORAL_CLI_PATH:-}" ]; then
    [ -x "$TEMPORAL_CLI_PATH" ] ||
      die "TEMPORAL_CLI_PATH names $TEMPORAL_CLI_PATH, which is no program that can be run." "Correct it, or unset it."
    return 1
  fi
  ! command -v temporal >/dev/null && ! [ -x "$TOOLS/bin/temporal" ]
}

packages=$(missing_packages | xargs)
plan=()
node_missing && plan+=("Node $NODE_VERSION, the official archive, into .tools/node")
npm_packages_missing && plan+=("the npm packages of package-lock.json, into node_modules")
temporal_missing && plan+=("the Temporal CLI $TEMPORAL_VERSION, into .tools/bin")
if { node_missing || temporal_missing; } && ! command -v curl >/dev/null; then packages="$packages ca-certificates curl"; fi
packages=$(echo "$packages" | xargs)
[ -z "$packages" ] || plan=("the Debian packages $packages (their services are not started)" ${plan[@]+"${plan[@]}"})
[ ${#plan[@]} -gt 0 ] || exit 0

say "To be installed:"
for line in "${plan[@]}"; do say "  - $line"; done
if ! unattended; then
  [ -t 0 ] || die "Nobody can be asked here." "Run it again with YES=1."
  read -r -p "Go ahead? [y/N] " answer
  case $answer in y | Y | yes) ;; *) die "Nothing was installed." "Run it again when you want to." ;; esac
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif unattended; then sudo -n "$@"; else sudo "$@"; fi
}

# A freshly installed redis-server would take port 6379, and sshd would open this machine to the network: neither is wanted.
install_packages() {
  command -v apt-get >/dev/null || die "This machine has no apt-get." "Install by its own means: $packages"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "Packages are missing: $packages" "Install them as root, then run this again."
  local policy=/usr/sbin/policy-rc.d
  if ! [ -e $policy ]; then
    # Expanded now on purpose: the function's variables are gone when the trap runs.
    # shellcheck disable=SC2064
    trap "as_root rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
  fi
  as_root apt-get update -qq || say "apt-get update failed; trying with the lists that are there."
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >&2 ||
    die "apt-get could not install: $packages" "Put right what it says above, then run this again."
  local package
  for package in $packages; do
    case $package in
      redis-server) disable_service redis-server ;;
      openssh-server) disable_service ssh ;;
    esac
  done
}

disable_service() {
  command -v systemctl >/dev/null || return 0
  as_root systemctl disable --quiet "$1" >/dev/null 2>&1 || say "The service $1 could not be disabled; it may start at the next boot."
}

# fetch URL SHA256 FILE: fails where it cannot be had within a short time, and stops everything where the digest is another.
fetch() {
  curl -fsSL --connect-timeout 6 --retry 1 --max-time 600 --speed-limit 1000 --speed-time 20 -o "$3" "$1" || return 1
  echo "$2  $3" | sha256sum --check --status ||
    die "What came from $1 has not the digest $2." "Do not use it. Try again later, or install it by hand."
}

install_node() {
  local name=node-v$NODE_VERSION-linux-$node_arch digest=NODE_SHA256_$node_arch
  say "Node $NODE_VERSION ..."
  mkdir -p "$TOOLS"
  rm -rf "$TOOLS"/node.new && mkdir "$TOOLS/node.new"
  fetch "https://nodejs.org/dist/v$NODE_VERSION/$name.tar.gz" "${!digest}" "$TOOLS/node.tar.gz" ||
    die "Node $NODE_VERSION could not be fetched from nodejs.org." "Install Node 20.19 or newer by your own means, then run this again."
  tar -xzf "$TOOLS/node.tar.gz" -C "$TOOLS/node.new" --strip-components=1
  rm -rf "$TOOLS/node" "$TOOLS/node.tar.gz"
  mv "$TOOLS/node.new" "$TOOLS/node"
  PATH=$TOOLS/node/bin:$PATH
  node_is_good || die "The Node in .tools/node does not run on this machine." "Install Node 20.19 or newer by your own means."
}

install_temporal() {
  local digest=TEMPORAL_SHA256_$temporal_arch
  local url=https://github.com/temporalio/cli/releases/download/v$TEMPORAL_VERSION/temporal_cli_${TEMPORAL_VERSION}_linux_$temporal_arch.tar.gz
  say "Temporal CLI $TEMPORAL_VERSION ..."
  mkdir -p "$TOOLS/bin"
  if fetch "$url" "${!digest}" "$TOOLS/temporal.tar.gz"; then
    tar -xzf "$TOOLS/temporal.tar.gz" -C "$TOOLS" temporal
    rm "$TOOLS/temporal.tar.gz"
    mv "$TOOLS/temporal" "$TOOLS/bin/temporal"
  else
    rm -f "$TOOLS/temporal.tar.gz"
    build_temporal
  fi
  "$TOOLS/bin/temporal" --version >/dev/null || die "The Temporal CLI in .tools/bin does not run." "Set TEMPORAL_CLI_PATH to one that does."
}

build_temporal() {
  local minor=0
  if command -v go >/dev/null; then minor=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p'); fi
  [ "${minor:-0}" -ge $GO_LEAST_MINOR ] ||
    die "The Temporal CLI's archive cannot be reached from here, and building it needs Go 1.$GO_LEAST_MINOR or newer (only for that)." \
      "Install that Go, or set TEMPORAL_CLI_PATH to a Temporal CLI of your own."
  say "The archive cannot be reached; building it with go install (some minutes) ..."
  GOBIN=$TOOLS/bin go install "github.com/temporalio/cli/cmd/temporal@v$TEMPORAL_VERSION" ||
    die "go install of the Temporal CLI failed." "Put right what it says above, or set TEMPORAL_CLI_PATH to a Temporal CLI of your own."
}

install_npm_packages() {
  say "npm packages ..."
  npm ci --no-audit --no-fund --loglevel=error >&2 ||
    die "npm ci failed." "Put right what it says above; it needs the npm registry that this machine is set up for."
}

[ -z "$packages" ] || install_packages
if node_missing; then install_node; fi
if npm_packages_missing; then install_npm_packages; fi
if temporal_missing; then install_temporal; fi
say "Everything is there."
