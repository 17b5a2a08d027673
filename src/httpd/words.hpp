// SPDX-License-Identifier: Apache-2.0
// httpd/words.hpp: the words and name=value options of a directive's line.
#pragma once

#include <string>
#include <string_view>

#include "wsgix/base/result.hpp"

namespace wsgix::httpd {

/// One word, quoted or not, taken from the front of `rest`; empty at the end of the line.
Result<std::string> take_word(std::string_view& rest);

struct Option {
  std::string name;
  std::string value;
  bool has_blanks = false;  ///< between '=' and the value
};

/// One name=value, the value quoted or not. Blanks behind '=' are skipped, as mod_wsgi does: the
/// value is then the next word, whatever it is.
/// Precondition: at_end(rest) is false.
Result<Option> take_option(std::string_view& rest);

/// Skips blanks. True when nothing else is left.
bool at_end(std::string_view& rest) noexcept;

}  // namespace wsgix::httpd
