# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# A temporary server root, httpd in it, and a clean end. Uses the variables of scripts/run:
# script script_given mode port processes threads build_dir, and account, set here.

check_script_exists() {
  [[ -e $1 ]] || stop "there is no script $1"
  [[ -f $1 ]] || stop "$1 is not a file; name the .wsgi script itself"
}

# The application never runs as root: as the invoking user, or as NAME when root starts it.
choose_account() {
  account=${1:-www-data}
  if ((EUID != 0)); then
    [[ -z $1 || $1 == "$(id -un)" ]] || stop "--user works only when root starts this"
    account=$(id -un)
    return
  fi
  id -u -- "$account" >/dev/null 2>&1 || stop "there is no account '$account'"
  (($(id -u -- "$account") != 0)) || stop "'$account' is root; name an unprivileged account"
}

check_port_is_free() {
  "$PYTHON" - "$1" <<'END' || stop "port $1 cannot be used; name another one with --port"
import socket, sys
probe = socket.socket()
probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    probe.bind(("127.0.0.1", int(sys.argv[1])))
except OSError as failed:
    sys.exit(f"port {sys.argv[1]}: {failed.strerror}")
END
}

as_account() {
  if ((EUID == 0)); then
    setpriv --reuid="$account" --regid="$(id -g "$account")" --init-groups -- "$@"
  else
    "$@"
  fi
}

# A checkout in a home directory is often closed to other accounts. The example is then served
# from a copy; a script of the user's own must be opened by the user.
make_script_readable() {
  as_account test -r "$script" && return
  if [[ -z $script_given ]]; then
    note "$account cannot read $CHECKOUT: serving a copy of the example"
    cp -R "$(dirname "$script")" "$root/site"
    script=$root/site/$(basename "$script")
    chmod -R u=rwX,go=rX "$root/site"
    return
  fi
  stop "the account '$account' cannot read $script. Do one of these:" \
    "    let it: chmod o+r the script and chmod o+x every directory above it" \
    "    name an account that can: --user NAME"
}

write_config() {
  local modules identity="" daemon=""
  modules=$("$APXS" -q LIBEXECDIR)
  ((EUID != 0)) || identity="User $account"$'\n'"Group $(id -gn "$account")"
  if [[ $mode == daemon ]]; then
    daemon="WSGIDaemonProcess demo processes=$processes threads=$threads display-name=%{GROUP}"
    daemon+=$'\n'"WSGIProcessGroup demo"
  fi
  cat >"$root/httpd.conf" <<END
ServerRoot $root
ServerName localhost
Listen 127.0.0.1:$port
PidFile $root/run/httpd.pid
DefaultRuntimeDir $root/run
ErrorLog $root/error_log
LogLevel info
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule wsgi_module $root/lib/mod_wsgi.so
$identity
WSGISocketPrefix $root/run/wsgi
$daemon
WSGIApplicationGroup %{GLOBAL}
WSGIScriptReloading On
WSGIScriptAlias / "$script"
<Directory "$(dirname "$script")">
    Require all granted
</Directory>
END
}

# The status of one request, or nothing while nobody answers.
ask() {
  "$PYTHON" - "$port" <<'END' 2>/dev/null
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
connection.request("GET", "/")
print(connection.getresponse().status)
END
}

end_server() {
  trap - EXIT
  trap '' INT TERM HUP
  if [[ -n ${httpd_pid:-} ]] && kill -TERM "$httpd_pid" 2>/dev/null; then
    local tries
    for ((tries = 0; tries < 200; ++tries)); do
      kill -0 "$httpd_pid" 2>/dev/null || break
      sleep 0.05
    done
    kill -KILL "$httpd_pid" 2>/dev/null || true
    wait "$httpd_pid" 2>/dev/null || true
  fi
  [[ -z ${tail_pid:-} ]] || kill "$tail_pid" 2>/dev/null || true
  rm -rf -- "$root"
}

wait_until_it_answers() {
  local status tries
  for ((tries = 0; tries < 150; ++tries)); do
    kill -0 "$httpd_pid" 2>/dev/null || stop "httpd did not start; the reason stands above"
    if status=$(ask) && [[ -n $status ]]; then
      ((status < 500)) || note "the application answers with status $status; the log says why"
      return 0
    fi
    sleep 0.2
  done
  stop "nothing answered within 30 s; the log above may say why"
}

serve() {
  root=$(mktemp -d "${TMPDIR:-/tmp}/wsgix-run-XXXXXX")
  trap end_server EXIT
  trap 'note stopping; exit 0' INT TERM HUP
  chmod 755 "$root"
  mkdir "$root/run" "$root/lib"
  # Copies, because the account of the application may not reach the build folder.
  cp "$build_dir"/{mod_wsgi.so,wsgix-host,wsgix-runtime.abi3.so} "$root/lib/"
  make_script_readable
  write_config
  : >"$root/error_log"
  tail -n +1 -F "$root/error_log" >&2 2>/dev/null &
  tail_pid=$!
  # A session of its own: Ctrl-C reaches this script alone, which then stops httpd in order.
  setsid "$HTTPD" -d "$root" -f "$root/httpd.conf" -DFOREGROUND </dev/null &
  httpd_pid=$!
  wait_until_it_answers
  printf 'Serving %s (%s mode, as %s) on http://127.0.0.1:%s/ - stop it with Ctrl-C.\n' \
    "$script" "$mode" "$account" "$port"
  wait "$httpd_pid" || stop "httpd ended by itself; the log above may say why"
}
