# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Clean roots of Debian releases. Uses the variables of scripts/distributions: roots mirror parts
# mounted.

# The first archive in apt's configuration that is one of Debian itself.
mirror_of_apt() {
  local url
  url=$(apt-get indextargets --format '$(SITE) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
  [[ -n $url ]] && printf '%s\n' "$url"
}

mount_into() {  # mount_into FOLDER MOUNT-ARGUMENT...
  mkdir -p "$1" && mount "${@:2}" "$1" && mounted+=("$1")
}

# The last one first, and only what this script has mounted.
unmount_all() {
  local i
  for ((i = ${#mounted[@]} - 1; i >= 0; --i)); do
    umount "${mounted[i]}" 2>/dev/null || umount --lazy "${mounted[i]}"
  done
  mounted=()
}

# A root that was not completed has no such file, and is made again.
prepare_root() {  # prepare_root RELEASE
  local root=$roots/$1
  if [[ ! -e $root/.wsgix-complete ]]; then
    note "making $root"
    rm -rf --one-file-system -- "$root"
    debootstrap --variant=minbase --include=git,ca-certificates "$1" "$root" "$mirror" \
      >"$roots/$1.log" 2>&1 || return
    : >"$root/.wsgix-complete"
  fi
  # apt and the tests ask the system for names; proxies and certificates are apt's affair.
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  mount_into "$root/proc" -t proc proc &&
    mount_into "$root/dev" --bind /dev &&
    mount_into "$root/dev/pts" --bind /dev/pts &&
    mount_into "$root/dev/shm" -t tmpfs -o mode=1777 tmpfs &&
    mount_into "$root/tmp" -t tmpfs -o mode=1777 tmpfs
}

# What is committed, and nothing else of the checkout: a clone that keeps its build folder.
test_in_root() {  # test_in_root ROOT OUTPUT
  local root=$1 inside=/srv/wsgix
  local head
  head=$(git -C "$CHECKOUT" rev-parse HEAD) || return
  git -C "$CHECKOUT" bundle create --quiet "$root/tmp/head.bundle" HEAD || return
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    bash -c '
      set -e
      [[ -e $1/.git ]] || git init --quiet "$1"
      git -C "$1" fetch --quiet /tmp/head.bundle HEAD
      git -C "$1" checkout --quiet --force --detach "$2"
      shift 2
      exec '"$inside"'/scripts/test "$@"' bash "$inside" "$head" "${parts[@]}" 2>&1 |
    tee "$2"
}
