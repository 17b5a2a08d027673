# SPDX-License-Identifier: Apache-2.0
# Warnings are errors in our tree only; hardening goes to everything that is installed.
add_library(wsgix_flags INTERFACE)
target_compile_options(wsgix_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wswitch -Werror
  -fno-omit-frame-pointer)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_options(wsgix_flags INTERFACE
    -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
endif()
target_link_options(wsgix_flags INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed)

if(WSGIX_SANITIZE)
  target_compile_options(wsgix_flags INTERFACE -fsanitize=${WSGIX_SANITIZE} -fno-sanitize-recover=undefined)
  target_link_options(wsgix_flags INTERFACE -fsanitize=${WSGIX_SANITIZE})
endif()
