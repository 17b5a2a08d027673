// SPDX-License-Identifier: Apache-2.0
// httpd/module.cpp: the module record and the table of hooks. No logic lives here.
#include "check.hpp"
#include "child_process.hpp"
#include "directives.hpp"
#include "former_groups.hpp"
#include "handler.hpp"
#include "hosts.hpp"
#include "log.hpp"
#include "mapping.hpp"
#include "server_sockets.hpp"
#include "trampoline.hpp"

namespace wsgix::httpd {
namespace {

int monitor(apr_pool_t* pconf, server_rec* main) noexcept {
  return guarded(
      [&] {
        if (const Result<void> done = look_after_hosts(*pconf, *main); !done) {
          log(*main, LogLevel::Error, done.error());
        }
        return OK;
      },
      [main](const char* what) { log_bug(main, what); }, OK);
}

int pre_config(apr_pool_t* pconf, apr_pool_t* plog, apr_pool_t*) noexcept {
  return guarded(
      [&] {
        begin_configuration(*pconf, *plog);
        return OK;
      },
      [](const char* what) { log_bug(nullptr, what); }, HTTP_INTERNAL_SERVER_ERROR);
}

int post_config(apr_pool_t* pconf, apr_pool_t* plog, apr_pool_t* ptemp, server_rec* main) noexcept {
  const int done = config_hook<start_hosts>(pconf, plog, ptemp, main);
  if (done == OK) complete_configuration(*plog);
  return done;
}

void register_hooks(apr_pool_t*) noexcept {
  // mod_alias's own aliases win; home directories and mass virtual hosting come later.
  static const char* const kAfter[] = {"mod_alias.c", nullptr};
  static const char* const kBefore[] = {"mod_userdir.c", "mod_vhost_alias.c", nullptr};
  ap_hook_pre_config(pre_config, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_check_config(config_hook<check_configuration>, nullptr, nullptr, APR_HOOK_MIDDLE);
  // Last: other modules open their logs and drop their secrets' copies before we fork.
  ap_hook_check_config(config_hook<leave_former_groups>, nullptr, nullptr, APR_HOOK_REALLY_LAST);
  ap_hook_post_config(post_config, nullptr, nullptr, APR_HOOK_REALLY_LAST);
  ap_hook_error_log(note_written, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_child_init(child_hook<start_child>, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_pre_connection(remember_client, nullptr, nullptr, APR_HOOK_FIRST);
  ap_hook_monitor(monitor, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_translate_name(request_hook<translate_name>, kAfter, kBefore, APR_HOOK_MIDDLE);
  ap_hook_handler(request_hook<handle_script>, nullptr, nullptr, APR_HOOK_MIDDLE);
}

}  // namespace
}  // namespace wsgix::httpd

extern "C" {
module AP_MODULE_DECLARE_DATA wsgi_module = {
    // STANDARD20_MODULE_STUFF, but with the name that <IfModule mod_wsgi.c> asks for.
    MODULE_MAGIC_NUMBER_MAJOR,
    MODULE_MAGIC_NUMBER_MINOR,
    -1,
    "mod_wsgi.c",
    nullptr,
    nullptr,
    MODULE_MAGIC_COOKIE,
    nullptr,
    wsgix::httpd::create_dir_config,
    wsgix::httpd::merge_dir_config,
    wsgix::httpd::create_server_config,
    wsgix::httpd::merge_server_config,
    wsgix::httpd::kDirectives,
    wsgix::httpd::register_hooks,
    0,  // flags
};
}
