# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
# Messages, and the choice of Python and httpd: the distribution's, whatever stands first in PATH.

note() { printf '== %s\n' "$*" >&2; }

# Prints each argument on a line of its own and ends with status 2.
stop() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  shift
  (($# == 0)) || printf '%s\n' "$@" >&2
  exit 2
}

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON=${WSGIX_PYTHON:-/usr/bin/python3}
HTTPD=${WSGIX_HTTPD:-/usr/sbin/apache2}
APXS=${WSGIX_APXS:-/usr/bin/apxs}

# Says which ones are used; they are there once the packages are.
choose_tools() {
  [[ -x $PYTHON ]] || stop "no Python at $PYTHON; name one with WSGIX_PYTHON=/path/to/python3"
  [[ -x $HTTPD ]] || stop "no httpd at $HTTPD; name one with WSGIX_HTTPD=/path/to/httpd"
  [[ -x $APXS ]] || stop "no apxs at $APXS; name one with WSGIX_APXS=/path/to/apxs"
  note "Python: $PYTHON ($("$PYTHON" -c 'import platform; print(platform.python_version())'))"
  local first
  first=$(command -v python3 || true)
  if [[ -n $first && $(readlink -f "$first") != $(readlink -f "$PYTHON") ]]; then
    note "        not $first, although your PATH finds it first; WSGIX_PYTHON= would choose it"
  fi
  note "httpd:  $HTTPD ($("$HTTPD" -v | sed -n 's/^Server version: *//p'))"
}
