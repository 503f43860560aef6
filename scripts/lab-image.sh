#!/usr/bin/env bash
# Makes the image of the lab's container hosts, or finds it made: from a Debian base image where one can be pulled, with debootstrap where not.
#   lab-image.sh        make it where it is missing
#   lab-image.sh --tag  print its name, which is a digest of its recipe, and do nothing
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# A registry that cannot be reached is found out within this time; a base image takes some seconds to load.
PULL_DEADLINE=45
RECIPE=lab/image
BASE_RELEASE=bookworm
BASE=debian:$BASE_RELEASE-slim

recipe_digest() {
  { find $RECIPE -type f | LC_ALL=C sort | xargs sha256sum && sha256sum scripts/lab-image.sh; } | sha256sum | cut -c1-12
}

tag=redisforge-lab:$(recipe_digest)
if [ "${1:-}" = --tag ]; then
  echo "$tag"
  exit
fi

command -v docker >/dev/null || die "The container lab needs a container engine, and this machine has no program docker." "Install Docker, or on Debian the package docker.io."
reason=$(docker info --format '{{.ServerVersion}}' 2>&1 >/dev/null) || die "The container engine does not answer: $reason" \
  "Start its daemon (systemctl start docker), or give this user the right to it: usermod -aG docker $(id -un), then log in anew."

if docker image inspect "$tag" >/dev/null 2>&1; then
  say "The image $tag is there."
  exit
fi

packages=$(xargs <$RECIPE/packages)
change=(--change 'ENV container=docker' --change 'ENTRYPOINT ["/usr/local/sbin/lab-init"]')
# The release of Debian in it: a host takes over this machine's apt sources where that is the machine's own.
labelled() { change+=(--change "LABEL redisforge.release=$1"); }

from_base_image() {
  say "The image $tag, from $BASE ..."
  labelled $BASE_RELEASE
  local builder=redisforge-lab-image-$$ made=1
  tar -C $RECIPE -c --owner=0 --group=0 files finish.sh | docker run -i --name $builder $BASE sh -ec "
    mkdir /tmp/recipe && tar -x -C /tmp/recipe
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
    cp -a /tmp/recipe/files/. / && sh /tmp/recipe/finish.sh && rm -rf /tmp/recipe" >&2 &&
    docker commit "${change[@]}" $builder "$tag" >/dev/null || made=0
  docker rm -f $builder >/dev/null 2>&1 || true
  [ $made = 1 ] || die "The image could not be made from $BASE." "Put right what it says above, then run this again."
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif unattended; then sudo -n "$@"; else sudo "$@"; fi
}

# The mirror and the release that this machine's own apt uses: `URI CODENAME`.
own_mirror() {
  local codename
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  # shellcheck disable=SC2016
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v codename="$codename" '$2 == codename && $3 == "main" { print $1, $2; exit }'
}

from_debootstrap() {
  PATH=$PATH:/usr/sbin:/sbin
  local nothing="$BASE could not be pulled"
  grep -qx 'ID=debian' /etc/os-release 2>/dev/null || die "There is no base image for lab hosts: $nothing, and only a Debian machine can make one." \
    "Load $BASE into the engine (docker load), then run this again."
  command -v debootstrap >/dev/null || die "There is no base image for lab hosts: $nothing, and debootstrap, which makes one, is not installed." \
    "Install the Debian package debootstrap, or load $BASE into the engine (docker load)."
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "There is no base image for lab hosts: $nothing, and debootstrap needs root." "Run this as root once."
  local mirror codename
  read -r mirror codename < <(own_mirror) || die "This machine's apt knows no Debian mirror." "Look at /etc/apt/sources.list.d."
  labelled "$codename"
  say "The image $tag, with debootstrap from this machine's own mirror (about a minute) ..."
  work=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "as_root rm -rf --one-file-system '$work'" EXIT
  as_root debootstrap --variant=minbase --include="${packages// /,}" "$codename" "$work/root" "$mirror" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    die "debootstrap failed." "Put right what it says above, then run this again."
  }
  as_root cp -r $RECIPE/finish.sh "$work/root/finish.sh"
  tar -C $RECIPE/files -c --owner=0 --group=0 . | as_root tar -C "$work/root" -x --no-overwrite-dir
  as_root chroot "$work/root" sh /finish.sh >&2
  as_root rm "$work/root/finish.sh"
  as_root tar -C "$work/root" -c . | docker import "${change[@]}" - "$tag" >/dev/null
}

if timeout $PULL_DEADLINE docker pull -q $BASE >/dev/null 2>&1 || docker image inspect $BASE >/dev/null 2>&1; then
  from_base_image
else
  from_debootstrap
fi
say "The image $tag is made."
