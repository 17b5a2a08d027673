# SPDX-License-Identifier: Apache-2.0
# Asks apxs where this system's httpd keeps its headers, modules and configuration.
find_program(WSGIX_APXS NAMES apxs apxs2 DOC "httpd's apxs")
if(NOT WSGIX_APXS)
  message(FATAL_ERROR "apxs not found. Install httpd's development files (Debian: apt install apache2-dev), "
                      "or name it: -DWSGIX_APXS=/path/to/apxs")
endif()

function(wsgix_ask_apxs variable query)
  execute_process(COMMAND ${WSGIX_APXS} -q ${query} OUTPUT_VARIABLE answer
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${WSGIX_APXS} -q ${query} failed")
  endif()
  set(${variable} "${answer}" PARENT_SCOPE)
endfunction()

wsgix_ask_apxs(WSGIX_APXS_INCLUDEDIR INCLUDEDIR)
wsgix_ask_apxs(WSGIX_APXS_LIBEXECDIR LIBEXECDIR)
wsgix_ask_apxs(WSGIX_APXS_SYSCONFDIR SYSCONFDIR)
wsgix_ask_apxs(WSGIX_APXS_SBINDIR SBINDIR)
wsgix_ask_apxs(WSGIX_APXS_RUNTIMEDIR runtimedir)
wsgix_ask_apxs(WSGIX_APXS_PROGNAME PROGNAME)
wsgix_ask_apxs(WSGIX_APR_CONFIG APR_CONFIG)
execute_process(COMMAND ${WSGIX_APR_CONFIG} --includedir OUTPUT_VARIABLE WSGIX_APR_INCLUDEDIR
                OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${WSGIX_APR_CONFIG} --cppflags OUTPUT_VARIABLE WSGIX_APR_CPPFLAGS
                OUTPUT_STRIP_TRAILING_WHITESPACE)
separate_arguments(WSGIX_APR_CPPFLAGS)

# Debian's a2enmod reads mods-available, and only Debian calls the program apache2; elsewhere the
# administrator includes the files by hand.
if(WSGIX_APXS_PROGNAME STREQUAL "apache2")
  set(default_conf_dir ${WSGIX_APXS_SYSCONFDIR}/mods-available)
else()
  set(default_conf_dir ${WSGIX_APXS_SYSCONFDIR}/extra)
endif()
set(WSGIX_APXS_CONF_DIR ${default_conf_dir} CACHE PATH "Folder for wsgi.load and wsgi.conf")

# Headers only: a module is resolved against httpd when httpd loads it.
add_library(wsgix_httpd_headers INTERFACE)
target_include_directories(wsgix_httpd_headers SYSTEM INTERFACE ${WSGIX_APXS_INCLUDEDIR} ${WSGIX_APR_INCLUDEDIR})
target_compile_options(wsgix_httpd_headers INTERFACE ${WSGIX_APR_CPPFLAGS})
message(STATUS "httpd: ${WSGIX_APXS_SBINDIR}/${WSGIX_APXS_PROGNAME}, modules in ${WSGIX_APXS_LIBEXECDIR}")
