// SPDX-License-Identifier: Apache-2.0
// python/python2.hpp: recognises what only Python 2 had, and says what to write today.
#pragma once

#include <string>
#include <string_view>

namespace wsgix::python {

/// All return an empty text for what is not Python 2.
std::string advice_for_python2_syntax(std::string_view source_line, std::string_view message);
std::string advice_for_python2_name(std::string_view name);
std::string advice_for_python2_module(std::string_view name);

}  // namespace wsgix::python
