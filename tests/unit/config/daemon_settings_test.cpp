// SPDX-License-Identifier: Apache-2.0
#include "wsgix/config/daemon_settings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace wsgix::config {
namespace {

using namespace std::chrono_literals;

struct Accepted {
  const char* name;
  const char* value;
  std::function<bool(const DaemonSettings&)> holds;
};

const Accepted kAccepted[] = {
    {"processes", "3", [](auto& s) { return s.processes == 3 && s.processes_given; }},
    {"processes", "1", [](auto& s) { return s.processes == 1 && s.processes_given; }},
    {"threads", "4096", [](auto& s) { return s.threads == 4096; }},
    {"display-name", "%{GROUP}", [](auto& s) { return s.display_name == "%{GROUP}"; }},
    {"maximum-requests", "500", [](auto& s) { return s.maximum_requests == 500; }},
    {"listen-backlog", "0", [](auto& s) { return s.listen_backlog == 0; }},
    {"user", "#1000", [](auto& s) { return s.user == "#1000"; }},
    {"group", "shop", [](auto& s) { return s.group == "shop"; }},
    {"supplementary-groups", "a,#7",
     [](auto& s) { return s.supplementary_groups == "a,#7" && s.supplementary_groups_given; }},
    {"umask", "0027", [](auto& s) { return s.umask == 027; }},
    {"umask", "0", [](auto& s) { return s.umask == 0; }},
    {"home", "/srv/shop", [](auto& s) { return s.home == "/srv/shop"; }},
    {"lang", "C.UTF-8", [](auto& s) { return s.lang == "C.UTF-8"; }},
    {"locale", "de_DE.UTF-8", [](auto& s) { return s.locale == "de_DE.UTF-8"; }},
    {"socket-user", "www-data", [](auto& s) { return s.socket_user == "www-data"; }},
    {"python-home", "/srv/venv", [](auto& s) { return s.python_home == "/srv/venv"; }},
    {"python-path", "/a::/b:",
     [](auto& s) {
       return s.python_path == std::vector<std::string>{"/a", "/b"};
     }},
    {"python-eggs", "/var/cache/eggs", [](auto& s) { return s.python_eggs == "/var/cache/eggs"; }},
    {"switch-interval", "0.01", [](auto& s) { return s.switch_interval == 0.01; }},
    {"send-buffer-size", "0", [](auto& s) { return s.send_buffer_size == 0; }},
    {"send-buffer-size", "64k", [](auto& s) { return s.send_buffer_size == 64 << 10; }},
    {"receive-buffer-size", "512", [](auto& s) { return s.receive_buffer_size == 512; }},
    {"header-buffer-size", "0", [](auto& s) { return s == DaemonSettings{}; }},
    {"response-buffer-size", "0", [](auto& s) { return s == DaemonSettings{}; }},
    {"response-flush-delay", "0", [](auto& s) { return s == DaemonSettings{}; }},
    {"server-metrics", "off", [](auto& s) { return s == DaemonSettings{}; }},
    {"startup-timeout", "30", [](auto& s) { return s.startup_timeout == 30s; }},
    {"graceful-timeout", "30s", [](auto& s) { return s.graceful_timeout == 30s; }},
    {"shutdown-timeout", "2min", [](auto& s) { return s.shutdown_timeout == 2min; }},
    {"connect-timeout", "1h", [](auto& s) { return s.connect_timeout == 1h; }},
    {"queue-timeout", "500ms", [](auto& s) { return s.queue_timeout == 500ms; }},
    {"socket-timeout", "0", [](auto& s) { return s.socket_timeout == 0s; }},
    {"response-socket-timeout", "2s", [](auto& s) { return s.response_socket_timeout == 2s; }},
    {"response-buffering", "2m", [](auto& s) { return s.response_buffering_bytes == 2 << 20; }},
    {"interpreter-limit", "7", [](auto& s) { return s.interpreter_limit == 7; }},
    {"head-limit", "64k", [](auto& s) { return s.head_limit == 64 << 10; }},
    {"chroot", "/srv/jail", [](auto& s) { return s.chroot == "/srv/jail"; }},
    {"chroot", "//srv/./jail/", [](auto& s) { return s.chroot == "/srv/jail"; }},
    {"chroot", "/", [](auto& s) { return s.chroot.empty(); }},
    {"script-user", "joe", [](auto& s) { return s.script_user == "joe"; }},
    {"script-group", "#7", [](auto& s) { return s.script_group == "#7"; }},
    {"eviction-timeout", "7", [](auto& s) { return s.eviction_timeout == 7s; }},
    {"eviction-timeout", "0", [](auto& s) { return !s.eviction_timeout; }},
    {"queue-limit", "50", [](auto& s) { return s.queue_limit == 50; }},
    {"request-timeout", "60", [](auto& s) { return s.request_timeout == 60s; }},
    {"interrupt-timeout", "5", [](auto& s) { return s.interrupt_timeout == 5s; }},
    {"request-deadline", "1500ms", [](auto& s) { return s.request_deadline == 1500ms; }},
    {"interrupt-on-disconnect", "On", [](auto& s) { return s.interrupt_on_disconnect; }},
    {"inactivity-timeout", "10min", [](auto& s) { return s.inactivity_timeout == 10min; }},
    {"deadlock-timeout", "0", [](auto& s) { return s.deadlock_timeout == 0s; }},
    {"restart-interval", "24h", [](auto& s) { return s.restart_interval == 24h; }},
    {"warmup", "/health", [](auto& s) { return s.warmup == "/health"; }},
    {"cpu-time-limit", "60", [](auto& s) { return s.cpu_time_limit == 60s; }},
    {"cpu-priority", "-5", [](auto& s) { return s.cpu_priority == -5; }},
    {"memory-limit", "1g", [](auto& s) { return s.memory_limit == 1 << 30; }},
    {"virtual-memory-limit", "4096", [](auto& s) { return s.virtual_memory_limit == 4096; }},
    {"memory-recycle", "512m",
     [](auto& s) {
       return s.memory_recycle == MemoryRecycle{512 << 20, 0};
     }},
    {"memory-recycle", "512m,1g",
     [](auto& s) {
       return s.memory_recycle == MemoryRecycle{512 << 20, 1 << 30};
     }},
    {"stack-size", "8m", [](auto& s) { return s.stack_size == 8 << 20; }},
    {"request-buffering", "0", [](auto& s) { return s.request_buffering_bytes == 0; }},
    {"request-buffering", "7", [](auto& s) { return s.request_buffering_bytes == 7; }},
    {"request-buffering", "64k", [](auto& s) { return s.request_buffering_bytes == 65536; }},
    {"request-buffering", "8m", [](auto& s) { return s.request_buffering_bytes == 8 << 20; }},
    {"request-buffering", "1024g",
     [](auto& s) { return s.request_buffering_bytes == std::int64_t{1} << 40; }},
};

TEST(DaemonSettings, TakesEveryOptionOfTheGrammar) {
  for (const auto& [name, value, holds] : kAccepted) {
    DaemonSettings settings;

    const auto set = set_option(settings, name, value);

    ASSERT_TRUE(set) << name << ": " << set.error().what;
    EXPECT_EQ(*set, "") << name << "=" << value;
    EXPECT_TRUE(holds(settings)) << name << "=" << value;
  }
}

TEST(DaemonSettings, TestsEveryOptionOfTheGrammar) {
  for (const std::string_view option : option_names()) {
    const bool tested = std::any_of(std::begin(kAccepted), std::end(kAccepted),
                                    [&](const Accepted& row) { return option == row.name; });
    EXPECT_TRUE(tested) << option;
  }
}

TEST(DaemonSettings, RefusesImpossibleValuesNamingOptionValueAndRange) {
  const struct {
    const char* name;
    const char* value;
    const char* range;
  } refused[] = {
      {"processes", "0", "from 1 to 1024"},
      {"threads", "abc", "from 0 to 4096"},
      {"threads", "5x", "from 0 to 4096"},
      {"threads", " 5", "from 0 to 4096"},
      {"threads", "+5", "from 0 to 4096"},
      {"threads", "", "from 0 to 4096"},
      {"threads", "99999999999999999999", "from 0 to 4096"},
      {"maximum-requests", "-1", "from 0"},
      {"umask", "0888", "octal"},
      {"umask", "-1", "octal"},
      {"home", "srv", "absolute"},
      {"user", "", "empty"},
      {"cpu-time-limit", "1500ms", "whole number of seconds"},
      {"interrupt-on-disconnect", "yes", "On or Off"},
      {"graceful-timeout", "9999d", "0 to"},
      {"umask", "", "octal"},
      {"cpu-priority", "nice", "-20 to 19"},
      {"cpu-priority", "--1", "-20 to 19"},
      {"stack-size", "0", "256k"},
      {"stack-size", "8mb", "256k"},
      {"switch-interval", "0", "positive"},
      {"switch-interval", "-0.5", "positive"},
      {"switch-interval", "nan", "positive"},
      {"switch-interval", "inf", "positive"},
      {"switch-interval", "1e3", "positive"},
      {"switch-interval", "0.01s", "positive"},
      {"send-buffer-size", "511", "0 or a size from 512"},
      {"receive-buffer-size", "small", "0 or a size from 512"},
      {"header-buffer-size", "8191", "0 or a size from 8k"},
      {"response-buffer-size", "65535", "0 or a size from 64k"},
      {"response-flush-delay", "-1", "milliseconds"},
      {"response-flush-delay", "5ms", "milliseconds"},
      {"server-metrics", "yes", "On or Off"},
      {"python-eggs", "", "empty"},
      {"python-home", "", "empty"},
      {"warmup", "health", "a path such as /health"},
      {"memory-recycle", "512m,512m", "HARD larger"},
      {"memory-recycle", "512m,", "SOFT,HARD"},
      {"chroot", "srv", "absolute"},
      {"chroot", "/srv/../jail", "without .."},
      {"graceful-timeout", "-1", "0 to"},
      {"graceful-timeout", "s", "30s"},
      {"graceful-timeout", "1.5", "30s"},
      {"request-buffering", "", "64k, 8m"},
      {"response-buffering", "8mb", "64k, 8m"},
      {"interpreter-limit", "0", "from 1 to 100000"},
      {"head-limit", "63k", "from 64k to 256m"},
      {"request-buffering", "m", "64k, 8m"},
      {"request-buffering", "-1", "0 to"},
      {"request-buffering", "1.5m", "64k, 8m"},
      {"request-buffering", "1M", "64k, 8m"},
      {"request-buffering", "1mb", "64k, 8m"},
      {"request-buffering", "1 m", "64k, 8m"},
      {"request-buffering", "1025g", "0 to 1024g"},
      {"request-buffering", "9223372036854775807g", "0 to 1024g"},
  };
  for (const auto& [name, value, range] : refused) {
    DaemonSettings settings;

    const auto set = set_option(settings, name, value);

    ASSERT_FALSE(set) << name << "=" << value;
    EXPECT_EQ(set.error().code, ErrorCode::BadDirective);
    EXPECT_NE(set.error().what.find(name), std::string::npos) << set.error().what;
    EXPECT_NE(set.error().what.find(value), std::string::npos) << set.error().what;
    EXPECT_NE(set.error().what.find(range), std::string::npos) << set.error().what;
    EXPECT_EQ(settings, DaemonSettings{}) << "a refused value left something behind";
  }
}

struct Adjusted {
  const char* name;
  const char* value;
  const char* instead;  ///< a part of what is said
  std::function<bool(const DaemonSettings&)> holds;
};

/// mod_wsgi starts with all of them.
const Adjusted kAdjusted[] = {
    {"processes", "1025", "1024 is used", [](auto& s) { return s.processes == 1024; }},
    {"threads", "65533", "4096 is used", [](auto& s) { return s.threads == 4096; }},
    {"listen-backlog", "65536", "65535 is used", [](auto& s) { return s.listen_backlog == 65535; }},
    {"maximum-requests", "1000000001", "1000000000 is used",
     [](auto& s) { return s.maximum_requests == 1'000'000'000; }},
    {"umask", "01777", "0777 is used", [](auto& s) { return s.umask == 0777; }},
    {"cpu-priority", "99", "19 is used", [](auto& s) { return s.cpu_priority == 19; }},
    {"cpu-priority", "-21", "-20 is used", [](auto& s) { return s.cpu_priority == -20; }},
    {"stack-size", "16384", "64k is used, the least",
     [](auto& s) { return s.stack_size == 64 << 10; }},
    {"stack-size", "2g", "1g is used, the most", [](auto& s) { return s.stack_size == 1 << 30; }},
    {"memory-limit", "9223372036854775807", "1024g is used",
     [](auto& s) { return s.memory_limit == std::int64_t{1} << 40; }},
    {"deadlock-timeout", "999999999", "one year",
     [](auto& s) { return s.deadlock_timeout == std::chrono::hours(8760); }},
    {"deadlock-timeout", "99999999999999999999", "one year",
     [](auto& s) { return s.deadlock_timeout == std::chrono::hours(8760); }},
    {"request-timeout", "1m", "minutes", [](auto& s) { return s.request_timeout == 1min; }},
    {"display-name", "", "as if", [](auto& s) { return s == DaemonSettings{}; }},
    {"lang", "", "as if", [](auto& s) { return s == DaemonSettings{}; }},
    {"locale", "", "as if", [](auto& s) { return s == DaemonSettings{}; }},
    {"python-path", "", "as if", [](auto& s) { return s == DaemonSettings{}; }},
    {"python-path", ":", "as if", [](auto& s) { return s == DaemonSettings{}; }},
    {"supplementary-groups", "", "no group but",
     [](auto& s) { return s.supplementary_groups_given && s.supplementary_groups.empty(); }},
    {"server-metrics", "On", "no effect", [](auto& s) { return s == DaemonSettings{}; }},
    {"header-buffer-size", "65536", "head-limit=", [](auto& s) { return s == DaemonSettings{}; }},
    {"response-buffer-size", "64k", "no effect", [](auto& s) { return s == DaemonSettings{}; }},
    {"response-flush-delay", "5", "no effect", [](auto& s) { return s == DaemonSettings{}; }},
};

TEST(DaemonSettings, SaysWhatIsUsedInsteadOfWhatCannotBe) {
  for (const auto& [name, value, instead, holds] : kAdjusted) {
    DaemonSettings settings;

    const auto set = set_option(settings, name, value);

    ASSERT_TRUE(set) << name << ": " << set.error().what;
    EXPECT_NE(set->find(instead), std::string::npos) << name << "=" << value << ": " << *set;
    EXPECT_TRUE(holds(settings)) << name << "=" << value;
  }
}

TEST(DaemonSettings, TellsATypingMistakeFromNonsense) {
  DaemonSettings settings;

  const auto mistyped = set_option(settings, "thread", "5");
  const auto nonsense = set_option(settings, "colour-of-the-bikeshed", "red");

  EXPECT_EQ(mistyped.error().code, ErrorCode::UnknownOption);
  EXPECT_EQ(mistyped.error().remedy, "did you mean threads=?");
  EXPECT_EQ(nonsense.error().code, ErrorCode::UnknownOption);
  EXPECT_TRUE(nonsense.error().remedy.empty());
}

TEST(DaemonSettings, ExpandsTheGroupInTheTitle) {
  DaemonSettings settings;
  settings.name = "shop";

  EXPECT_EQ(title(settings), "wsgix: shop worker");
  settings.display_name = "%{GROUP}";
  EXPECT_EQ(title(settings), "(wsgi:shop)");
  settings.display_name = "a %{GROUP} b %{GROUP}";
  EXPECT_EQ(title(settings), "a (wsgi:shop) b (wsgi:shop)");
  settings.display_name = "plain";
  EXPECT_EQ(title(settings), "plain");
}

TEST(DaemonSettings, DoesNotExpandAGroupNameThatLooksLikeTheVariable) {
  DaemonSettings settings;
  settings.name = "%{GROUP}";
  settings.display_name = "%{GROUP}";

  EXPECT_EQ(title(settings), "(wsgi:%{GROUP})");
}

/// Every member differs from its default, so that a row missing in the table shows.
HostSettings unusual() {
  HostSettings host;
  DaemonSettings& daemon = host.daemon;
  daemon.name = "shop";
  daemon.processes = 3;
  daemon.processes_given = true;
  daemon.threads = 7;
  daemon.display_name = "%{GROUP}";
  daemon.maximum_requests = 100;
  daemon.listen_backlog = 5;
  daemon.user = "shop";
  daemon.group = "#33";
  daemon.supplementary_groups = "a,b";
  daemon.supplementary_groups_given = true;
  daemon.umask = 022;
  daemon.home = "/srv";
  daemon.lang = "C";
  daemon.locale = "C.UTF-8";
  daemon.socket_user = "www-data";
  daemon.python_home = "/venv";
  daemon.python_path = {"/a:b", "", std::string("nul\0byte", 8)};
  daemon.python_eggs = "/var/cache/eggs";
  daemon.switch_interval = 0.1;
  daemon.send_buffer_size = 24;
  daemon.receive_buffer_size = 25;
  daemon.startup_timeout = 1ms;
  daemon.graceful_timeout = 2s;
  daemon.eviction_timeout = 0ms;
  daemon.shutdown_timeout = 3s;
  daemon.connect_timeout = 4s;
  daemon.queue_timeout = 5s;
  daemon.socket_timeout = 6s;
  daemon.response_socket_timeout = 21s;
  daemon.queue_limit = 7;
  daemon.chroot = "/srv/jail";
  daemon.script_user = "joe";
  daemon.script_group = "dev";
  daemon.request_timeout = 8s;
  daemon.interrupt_timeout = 9s;
  daemon.request_deadline = 10s;
  daemon.interrupt_on_disconnect = true;
  daemon.inactivity_timeout = 11s;
  daemon.deadlock_timeout = 12s;
  daemon.restart_interval = 13s;
  daemon.warmup = "/health";
  daemon.cpu_time_limit = 14s;
  daemon.cpu_priority = -15;
  daemon.memory_limit = 16;
  daemon.virtual_memory_limit = 17;
  daemon.memory_recycle = {18, 19};
  daemon.stack_size = 20;
  daemon.request_buffering_bytes = std::int64_t{1} << 40;
  daemon.response_buffering_bytes = 7;
  daemon.head_limit = 22;
  daemon.interpreter_limit = 23;
  host.started_as_root = true;
  host.uid = 4294967295u;
  host.gid = 34;
  host.supplementary_gids = {1, 2, 4294967295u};
  host.user_name = "shop";
  host.user_home = "/home/shop";
  host.change_to_user_home = true;
  host.script_uid = 0;
  host.script_gid = 4294967295u;
  host.socket_path = "/run/wsgix.1.sock";
  host.token = std::string("\0\x01:\xff", 4);
  host.peer_uid = 33;
  host.server_name = "www.example.com";
  host.log_level = 7;
  host.socket_timeout = 61s;
  host.start_delay_ms = 250;
  host.runtime_directory = "/usr/lib/wsgix";
  host.default_python = "libpython3.11.so.1.0";
  host.python_environment = {"PYTHONOPTIMIZE=2", ""};
  host.case_sensitive = false;
  host.restrict_signal = false;
  host.restrict_stdin = true;
  host.restrict_stdout = true;
  host.httpd_version[0] = 2;
  host.httpd_version[1] = 4;
  host.httpd_version[2] = 71;
  host.httpd_description = "Apache/2.4.71 (Debian)";
  host.mpm_name = "event";
  host.httpd_build_date = "today";
  host.httpd_maximum_processes = 16;
  host.httpd_threads_per_process = 25;
  host.preloads = {{"/srv/a.wsgi", "", "application"},
                   {"/srv/b:1.wsgi", "g|x", "app", wsgi::ScriptReloading::Rolling}};
  return host;
}

TEST(HostFields, SurviveTheWayThereAndBack) {
  for (const HostSettings& settings : {unusual(), HostSettings{}}) {
    const auto back = from_fields(to_fields(settings));

    ASSERT_TRUE(back) << back.error().what;
    EXPECT_EQ(*back, settings);
  }
}

TEST(HostFields, CarryEveryMember) {
  const auto plain = to_fields(HostSettings{});
  const auto different = to_fields(unusual());

  ASSERT_EQ(plain.size(), different.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_NE(plain[i].second, different[i].second) << plain[i].first;
  }
}

TEST(HostFields, RefuseEachMissingName) {
  const auto whole = to_fields(unusual());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto cut = whole;
    cut.erase(cut.begin() + static_cast<std::ptrdiff_t>(i));

    const auto settings = from_fields(cut);

    ASSERT_FALSE(settings) << whole[i].first;
    EXPECT_NE(settings.error().what.find(whole[i].first), std::string::npos);
  }
}

TEST(HostFields, RefuseUnknownRepeatedAndImpossible) {
  auto unknown = to_fields(unusual());
  unknown.emplace_back("chroot", "/");
  auto twice = to_fields(unusual());
  twice.push_back(twice.front());

  EXPECT_FALSE(from_fields(unknown));
  EXPECT_FALSE(from_fields(twice));
  for (const auto& [name, value] :
       {Field{"threads", "x"}, Field{"threads", ""}, Field{"restrict_stdin", "yes"},
        Field{"python_path", "9:short"}, Field{"python_path", "x"}, Field{"preloads", "1:a"},
        Field{"supplementary_gids", "1:x"}, Field{"httpd_version", "2.4"},
        Field{"uid", "4294967296"}, Field{"request_buffering_bytes", "1m"}}) {
    auto fields = to_fields(unusual());
    for (auto& field : fields) {
      if (field.first == name) field.second = value;
    }
    EXPECT_FALSE(from_fields(fields)) << name << "=" << value;
  }
}

TEST(DaemonSettings, AScriptHasOneOwner) {
  DaemonSettings settings;
  settings.name = "shop";
  ASSERT_TRUE(set_option(settings, "script-user", "joe"));

  const auto refused = set_option(settings, "script-group", "staff");

  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("exclude each other"), std::string::npos);
}

}  // namespace
}  // namespace wsgix::config
