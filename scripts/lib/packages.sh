# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
# Debian packages that building, serving and testing need, and how they get here.

# apache2-bin is httpd without the service: a demonstration must not start a web server on port 80.
BUILD_PACKAGES=(g++ cmake ninja-build apache2-bin apache2-dev libexpected-dev libfmt-dev
                libcli11-dev nlohmann-json3-dev
                python3 python3-dev)
# The tests are part of each configured build.
TEST_PACKAGES=(libgtest-dev python3-pytest python3-pytest-timeout python3-pytest-xdist
               python3-httpx python3-flask
               python3-h2 python3-hypothesis openssl libapache2-mod-xsendfile
               python3-django wrk curl)
CHECK_PACKAGES=(clang libclang-rt-dev clang-format clang-tidy)
RUN_PACKAGES=(python3-flask)
BENCH_PACKAGES=(wrk libapache2-mod-wsgi-py3)

missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null |
      grep -qx installed || printf '%s\n' "$package"
  done
}

# Installs what is missing of the named packages, or says what to type and stops.
ensure_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    note "no apt-get here: taking it that these (or their like) are installed: $*"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0

  local as_root=()
  if ((EUID != 0)); then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      stop "packages are missing, and only root can install them. Type this, then start again:" \
        "    sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${missing[*]}"
    fi
  fi
  note "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update --quiet=2 </dev/null ||
    note "apt-get update failed; trying with the lists that are here"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 \
    --no-install-recommends "${missing[@]}" </dev/null ||
    stop "apt-get could not install: ${missing[*]}"
}
