# SPDX-License-Identifier: Apache-2.0
# A plugin offers exactly one symbol. Hidden visibility is not enough: templates of libstdc++ are
# visible by their own declaration, and a unique one among them would keep dlclose(3) from
# unloading the module when httpd restarts.
function(wsgix_export_only target symbol)
  set(script ${CMAKE_CURRENT_BINARY_DIR}/${target}.exports)
  file(WRITE ${script} "{ global: ${symbol}; local: *; };\n")
  target_link_options(${target} PRIVATE -Wl,--version-script=${script})
endfunction()
