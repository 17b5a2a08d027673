# SPDX-License-Identifier: Apache-2.0
"""Configurations that httpd must refuse, and why; and those that it must accept."""
import pytest

OK = "WSGIScriptAlias / $apps/suite.wsgi\n"

# name: (configuration, what httpd says)
REFUSED = {
    "unknown option": ("WSGIDaemonProcess a treads=5", ["treads"]),
    "word without a value": ("WSGIDaemonProcess a threads", ["threads"]),
    "number that is none": ("WSGIDaemonProcess a threads=abc", ["threads", "abc"]),
    "number with a tail": ("WSGIDaemonProcess a processes=2x", ["processes", "2x"]),
    "number out of range": ("WSGIDaemonProcess a processes=0", ["processes", "0", "1"]),
    "empty value": ("WSGIDaemonProcess a user=", ["user"]),
    "unknown account": ("WSGIDaemonProcess a user=nobody-at-all", ["nobody-at-all"]),
    "unknown unix group": ("WSGIDaemonProcess a group=nobody-at-all", ["nobody-at-all"]),
    "umask that is none": ("WSGIDaemonProcess a umask=9", ["umask", "9"]),
    "relative home": ("WSGIDaemonProcess a home=relative", ["home", "relative"]),
    "different duplicate": (
        "WSGIDaemonProcess a threads=5\nWSGIDaemonProcess a threads=6",
        ["WX3005", "a", "httpd.conf"]),
    "unknown process group": ("WSGIScriptAlias / $apps/suite.wsgi process-group=nowhere "
                              "application-group=%{GLOBAL}", ["nowhere"]),
    "alias with one word": ("WSGIScriptAlias /", ["WSGIScriptAlias"]),
    "alias with a bad option": ("WSGIScriptAlias / $apps/suite.wsgi proces-group=a",
                                ["proces-group",
                                 "Invalid option to WSGI script alias definition"]),
    "bad regular expression": ("WSGIScriptAliasMatch ^/( $apps/suite.wsgi", ["WSGIScriptAliasMatch"]),
    "directive that is not there yet": (
        "WSGIDispatchScript /x", ["WX3007", "WSGIDispatchScript", "httpd.conf:"]),
    "imported script without a group": (
        "WSGIImportScript /x application-group=b", ["Name of WSGI process group required."]),
    "imported script without an interpreter": (
        "WSGIImportScript /x process-group=%{GLOBAL}",
        ["Name of WSGI application group required."]),
    "imported script with a bad option": (
        "WSGIImportScript /x callable=b", ["WX3002", "'callable'"]),
    "imported script of an unknown group": (
        "WSGIImportScript /x process-group=nowhere application-group=b", ["WX3003", "nowhere"]),
    "requests for a service by directive": (
        "WSGIDaemonProcess a threads=0\nWSGIProcessGroup a", ["WX3013", "WSGIProcessGroup 'a'"]),
    "requests for a service by alias": (
        "WSGIDaemonProcess a threads=0\nWSGIScriptAlias / $apps/suite.wsgi process-group=a",
        ["WX3013", "process-group= 'a'"]),
    "two owners of a script": ("WSGIDaemonProcess a script-user=root script-group=root",
                               ["script-user", "script-group", "exclude"]),
    "unknown owner of a script": ("WSGIDaemonProcess a script-user=nobody-at-all",
                                  ["WX3008", "script-user", "nobody-at-all"]),
    "unknown group of a script": ("WSGIDaemonProcess a script-group=nobody-at-all",
                                  ["WX3008", "script-group", "nobody-at-all"]),
    "jail that leads up": ("WSGIDaemonProcess a chroot=/srv/../etc", ["chroot", "without .."]),
    "jail that is not there": ("WSGIDaemonProcess a chroot=/not/there", ["WX2006", "/not/there"]),
    "jail that is a file": ("WSGIDaemonProcess a chroot=/etc/passwd", ["WX2006", "/etc/passwd"]),
    "container that is not there yet": (
        "<WSGIInterpreterOptions>\n</WSGIInterpreterOptions>", ["WX3007", "WSGIInterpreterOptions"]),
    "flag that is none": ("WSGIScriptReloading Maybe", ["On", "Off"]),
    "trusted proxy that is a name": (
        "WSGITrustedProxies 10.0.0.1 proxy.example", ["WSGITrustedProxies", "'proxy.example'"]),
    "trusted network that is none": (
        "WSGITrustedProxies 10.0.0.0/33", ["WSGITrustedProxies", "10.0.0.0/33"]),
    "trusted header that cannot be one": (
        "WSGITrustedProxyHeaders X-Real-IP:", ["WSGITrustedProxyHeaders", "'X-Real-IP:'"]),
    "deadline without a known unit": (
        "WSGIRequestDeadline 5d", ["WX3001", "WSGIRequestDeadline", "'5d'", "500ms"]),
    "deadline that is no time": ("WSGIRequestDeadline soon", ["WX3001", "'soon'"]),
    "reloading of an unknown kind": (
        "WSGIScriptReloading Sometimes", ["WX3001", "Off | On | Rolling", "'Sometimes'"]),
    "trusted headers without a name": ("WSGITrustedProxyHeaders", ["WSGITrustedProxyHeaders"]),
    "global directive in a virtual host": (
        "<VirtualHost *>\nWSGIRestrictStdout Off\n</VirtualHost>", ["VirtualHost"]),
    "root's group": ("WSGIDaemonProcess a group=root", ["WX2001"]),
    "metrics of a group that are no flag": (
        "WSGIDaemonProcess a server-metrics=yes", ["server-metrics=yes", "On or Off"]),
    "header buffer that is too small": (
        "WSGIDaemonProcess a header-buffer-size=100", ["header-buffer-size", "0 or a size from 8k"]),
    "mutex of an unknown kind": ("WSGIAcceptMutex futex", ["WSGIAcceptMutex", "fcntl", "'futex'"]),
    "rotation that is no flag": ("WSGISocketRotation Maybe", ["Off | On", "'Maybe'"]),
    "optimisation that is no number": ("WSGIPythonOptimize abc", ["WSGIPythonOptimize", "'abc'"]),
    "seed out of range": ("WSGIPythonHashSeed 4294967296", ["WSGIPythonHashSeed", "4294967295"]),
    "seed that is a word": ("WSGIPythonHashSeed fixed", ["random", "'fixed'"]),
    "interval that is none": (
        "WSGISwitchInterval 0", ["must be a positive number of seconds", "'0'"]),
    "telemetry over the network": (
        "WSGITelemetryService udp:127.0.0.1:9000", ["WSGITelemetryService", "unix:"]),
    "telemetry too often": (
        "WSGITelemetryService unix:/run/t interval=0.1", ["at least 0.5"]),
    "telemetry options of both kinds": (
        "WSGITelemetryOptions +CaptureUserAgent All", ["either all have one, or none"]),
    "threshold that is negative": ("WSGISlowRequests -1", ["number of seconds", "'-1'"]),
}
# Directives of the main server, and how each is refused elsewhere.
for _line in ["WSGICaseSensitivity On", "WSGIPythonOptimize 1", "WSGIPythonWarnings error",
              "WSGIPythonHashSeed 1", "WSGIPythonEggs /tmp", "WSGIDontWriteBytecode On",
              "WSGISwitchInterval 0.1", "WSGISocketRotation On", "WSGIAcceptMutex default",
              "WSGIDestroyInterpreter On", "WSGIPerInterpreterGIL Off", "WSGIFreeThreading Off",
              "WSGIServerMetrics On", "WSGITelemetryService unix:/run/t", "WSGISlowRequests 1",
              "WSGITelemetryOptions None", "WSGIVerboseDebugging Off"]:
    REFUSED[f"{_line.split()[0]} in a virtual host"] = (
        f"<VirtualHost *>\n{_line}\n</VirtualHost>", ["VirtualHost"])

ACCEPTED = {
    "the same group twice": ("WSGIDaemonProcess a threads=5\nWSGIDaemonProcess a threads=5"),
    "order of options does not matter": (
        "WSGIDaemonProcess a threads=5 processes=2\nWSGIDaemonProcess a processes=2 threads=5"),
    "every option of this version": (
        "WSGIDaemonProcess a processes=2 threads=3 umask=0027 home=/tmp lang=C locale=C "
        "python-path=/tmp display-name=%{GROUP} listen-backlog=10 maximum-requests=100 "
        "startup-timeout=10 graceful-timeout=5 shutdown-timeout=3 connect-timeout=3 "
        "queue-timeout=10 socket-timeout=20 response-socket-timeout=30s queue-limit=50 "
        "request-deadline=1500ms"),
    "limits and identity": (
        "WSGIDaemonProcess a chroot=/ script-user=root cpu-priority=-5 cpu-time-limit=60 "
        "memory-limit=512m virtual-memory-limit=4g stack-size=256k"),
    "the root folder as a jail, and imported scripts": (
        "WSGIDaemonProcess a chroot=///./\nWSGIDaemonProcess b threads=0\n"
        "WSGIImportScript $apps/suite.wsgi process-group=b application-group=%{GLOBAL}\n"
        "WSGIImportScript $apps/suite.wsgi process-group=%{GLOBAL} application-group=b"),
    "a deadline in every unit": (
        "WSGIRequestDeadline 500ms\n<Location /a>\nWSGIRequestDeadline 2min\n</Location>\n"
        "<Location /b>\nWSGIRequestDeadline 0\n</Location>"),
    "every kind of reloading": (
        "WSGIScriptReloading On\n<Location /a>\nWSGIScriptReloading Rolling\n</Location>"),
    "conditional on the module's name": (
        "<IfModule mod_wsgi.c>\nWSGIRestrictStdout Off\n</IfModule>\n"
        "<IfModule wsgi_module>\nWSGIRestrictStdin Off\n</IfModule>"),
    "names that only old versions knew": "WSGIVerboseDebugging On",
    "names that need nothing here": "WSGISocketRotation Off\nWSGIAcceptMutex flock",
    "trusted proxies in every spelling": (
        "WSGITrustedProxies 10.0.0.1 10.1 172.16.0.0/12 10.0.0.0/255.0.0.0\n"
        "WSGITrustedProxies 2001:DB8::/32 ::1 ::ffff:10.0.0.1\n"
        "WSGITrustedProxyHeaders x-forwarded-for FORWARDED"),
    "every flag": (
        "WSGIRestrictEmbedded On\nWSGIScriptReloading Off\nWSGIPassAuthorization On\n"
        "WSGICallableObject app\nWSGIApplicationGroup %{RESOURCE}"),
}

# name: (configuration that mod_wsgi starts with, what the warning says)
ODD = {
    "blank behind '='": (
        "WSGIDaemonProcess a processes= 2", ["WX3015", "processes='2'", "blank", "httpd.conf:"]),
    "empty texts": (
        "WSGIDaemonProcess a display-name= threads=3",
        ["WX3015", "display-name='threads=3'", "blank"]),
    "quoted empty text": ("WSGIDaemonProcess a lang=''", ["WX3015", "lang=''", "as if"]),
    "umask with more bits": ("WSGIDaemonProcess a umask=01777", ["WX3015", "0777 is used"]),
    "priority beyond the least": ("WSGIDaemonProcess a cpu-priority=99", ["WX3015", "19 is used"]),
    "small stack": ("WSGIDaemonProcess a stack-size=16384", ["WX3015", "64k is used"]),
    "many threads": ("WSGIDaemonProcess a threads=5000", ["WX3015", "4096 is used"]),
    "minutes": ("WSGIDaemonProcess a request-timeout=1m", ["WX3015", "minutes", "seconds"]),
    "metrics of a group": ("WSGIDaemonProcess a server-metrics=On", ["WX3015", "no effect"]),
    "missing Python home": (
        "WSGIDaemonProcess a python-home=/not/there",
        ["WX4001", "process group 'a'", "/not/there", "500"]),
    "relative Python home": (
        "WSGIDaemonProcess a python-home=venv", ["WX4001", "not an absolute path"]),
    "Python home that is a file": ("WSGIPythonHome /etc/passwd", ["WX4001", "not a directory", "500"]),
    "optimisation beyond the most": ("WSGIPythonOptimize 7", ["WX3015", "2 is used"]),
    "filter with a comma": ("WSGIPythonWarnings ignore:a,b", ["WX2011", "left out"]),
    "name without effect": ("WSGISocketRotation On", ["WX2011", "WSGISocketRotation", "httpd.conf:"]),
    "telemetry": ("WSGITelemetryService unix:/run/t interval=1", ["WX2011", "no telemetry"]),
    "slow requests": ("WSGISlowRequests 2.5", ["WX2011", "WSGISlowRequests"]),
    "in a virtual host": (
        "<VirtualHost *>\nWSGIDaemonProcess a umask=01777\n</VirtualHost>",
        ["WX3015", "0777 is used", "httpd.conf:"]),
}
# Lines that ask for nothing that is not so anyway.
SILENT = [
    "WSGIDaemonProcess a send-buffer-size=0 receive-buffer-size=0 header-buffer-size=0 "
    "response-buffer-size=0 response-flush-delay=0 server-metrics=Off",
    "WSGIVerboseDebugging Off", "WSGIAcceptMutex default", "WSGISocketRotation Off",
    "WSGIDestroyInterpreter On", "WSGIPerInterpreterGIL Off", "WSGIFreeThreading Off",
    "WSGIServerMetrics Off", "WSGISlowRequests 0", "WSGITelemetryOptions None",
    "WSGIEnableSendfile Off", "WSGIIgnoreActivity On", "WSGIPassApacheRequest On",
    "WSGIPythonHashSeed random", "WSGIPythonHashSeed 4294967295", "WSGISwitchInterval 0.001",
    "WSGIPythonOptimize 2", "WSGIDontWriteBytecode On", "WSGICaseSensitivity Off",
    "WSGIPythonWarnings ignore::DeprecationWarning", "WSGIPythonEggs /tmp",
]


class TestConfiguration:
    @pytest.mark.parametrize("name", REFUSED)
    def test_is_refused_with_directive_and_reason(self, make_httpd, name):
        config, words = REFUSED[name]
        httpd = make_httpd(config + "\n" + (OK if "ScriptAlias" not in config else ""))

        status, said = httpd.check_config()

        assert status != 0, f"accepted: {config}\n{said}"
        for word in words:
            assert word in said, said

    @pytest.mark.parametrize("name", ACCEPTED)
    def test_is_accepted(self, make_httpd, name):
        status, said = make_httpd(ACCEPTED[name] + "\n" + OK).check_config()

        assert status == 0, said
        assert "Syntax OK" in said

    @pytest.mark.parametrize("name", ODD)
    def test_that_mod_wsgi_starts_with_is_a_warning(self, make_httpd, name):
        config, words = ODD[name]

        status, said = make_httpd(config + "\n" + OK).check_config()

        assert status == 0, said
        warning = [line for line in said.splitlines() if words[0] in line]
        assert len(warning) == 1 and "Remedy: " in warning[0], said
        for word in words:
            assert word in warning[0], said

    @pytest.mark.parametrize("config", SILENT)
    def test_that_asks_for_nothing_is_no_warning(self, make_httpd, config):
        status, said = make_httpd(config + "\n" + OK).check_config()

        assert status == 0, said
        assert "WX" not in said

    def test_a_start_writes_its_warnings_into_the_log_of_their_server(self, make_httpd):
        httpd = make_httpd("WSGIDaemonProcess a umask=01777\n" + OK + """
            <VirtualHost *>
                ServerName elsewhere.example
                ErrorLog $root/elsewhere.log
                WSGIDaemonProcess b cpu-priority=99
                WSGIScriptAlias / $root/not-there.wsgi
            </VirtualHost>
        """)
        httpd.expect_log(r"wsgi:warn.* WX3015: .*umask='01777'")
        httpd.start()

        elsewhere = httpd.path("elsewhere.log").read_text()
        assert elsewhere.count("WX3015") == 1 and "cpu-priority='99'" in elsewhere
        assert elsewhere.count("WX3009") == 1
        assert httpd.log().count("WX3015") == 1

    def test_a_refused_configuration_shows_its_warnings_too(self, make_httpd):
        status, said = make_httpd("WSGIDaemonProcess a umask=01777\n"
                                  "WSGIDaemonProcess b chroot=/not/there\n" + OK).check_config()

        assert status != 0
        assert "WX3015" in said and "WX2006" in said

    @pytest.mark.root
    @pytest.mark.parametrize("account", ["user=root", "user=#0"])
    def test_a_group_as_root_is_refused(self, make_httpd, account):
        status, said = make_httpd(f"WSGIDaemonProcess a {account}\n" + OK).check_config()

        assert status != 0
        assert "WX2001" in said and "Remedy: " in said

    def test_an_unknown_group_in_a_directive_is_a_warning(self, make_httpd):
        """No error: mod_wsgi starts with it, and no request may ever need it."""
        status, said = make_httpd("WSGIProcessGroup nowhere\n" + OK).check_config()

        assert status == 0, said
        assert "WX3003" in said and "nowhere" in said and "httpd.conf" in said

    def test_a_missing_script_is_a_warning(self, make_httpd):
        status, said = make_httpd("WSGIScriptAlias / $root/not-there.wsgi").check_config()

        assert status == 0, said
        assert "WX3009" in said and "not-there.wsgi" in said

    def test_a_service_without_a_script_is_a_warning(self, make_httpd):
        status, said = make_httpd("WSGIDaemonProcess a threads=0\n" + OK).check_config()

        assert status == 0, said
        assert "WX3014" in said and "'a'" in said

    @pytest.mark.root
    def test_a_script_that_its_group_cannot_reach_is_a_warning(self, make_httpd):
        httpd = make_httpd("WSGIDaemonProcess a user=games\n"
                           "WSGIScriptAlias / $root/hidden/app.wsgi process-group=a "
                           "application-group=%{GLOBAL}",
                           files={"hidden/app.wsgi": ""})
        httpd.path("hidden").chmod(0o700)

        status, said = httpd.check_config()

        assert status == 0, said
        assert "WX5001" in said and "user games cannot search" in said and "/hidden" in said

    @pytest.mark.parametrize("name", ["X-Nothing", "X_Forwarded_For"])
    def test_a_trusted_header_without_an_effect_is_a_warning(self, make_httpd, name):
        status, said = make_httpd(f"WSGITrustedProxyHeaders {name} X-Real-IP\n" + OK).check_config()

        assert status == 0, said
        assert "WX2011" in said and f"'{name}'" in said and "httpd.conf" in said
        assert "'X-Real-IP'" not in said

    def test_server_signature_names_the_module(self, make_httpd):
        httpd = make_httpd("ServerTokens Full\n" + OK).start()

        assert b"mod_wsgi/" in httpd.raw_get("/204")
