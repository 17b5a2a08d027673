// SPDX-License-Identifier: Apache-2.0
#include "python2.hpp"

#include <fmt/format.h>

namespace wsgix::python {
namespace {

struct Pair {
  std::string_view old_name;
  std::string_view replacement;
};

constexpr Pair kNames[] = {
    {"unicode", "str"},
    {"unichr", "chr"},
    {"xrange", "range"},
    {"raw_input", "input"},
    {"basestring", "str"},
    {"long", "int"},
    {"reduce", "functools.reduce"},
    {"file", "open"},
    {"cmp", "a key function"},
    {"reload", "importlib.reload"},
    {"apply", "a plain call"},
};

constexpr Pair kModules[] = {
    {"urllib2", "urllib.request"},
    {"urlparse", "urllib.parse"},
    {"httplib", "http.client"},
    {"ConfigParser", "configparser"},
    {"Queue", "queue"},
    {"StringIO", "io"},
    {"cStringIO", "io"},
    {"cPickle", "pickle"},
    {"Cookie", "http.cookies"},
    {"cookielib", "http.cookiejar"},
    {"HTMLParser", "html.parser"},
    {"SocketServer", "socketserver"},
    {"BaseHTTPServer", "http.server"},
    {"SimpleHTTPServer", "http.server"},
    {"__builtin__", "builtins"},
    {"commands", "subprocess"},
    {"thread", "threading"},
    {"md5", "hashlib"},
    {"sha", "hashlib"},
    {"sets", "the built-in set"},
};

template <std::size_t Size>
std::string_view replacement_in(const Pair (&table)[Size], std::string_view name) {
  for (const auto& [old_name, replacement] : table)
    if (old_name == name) return replacement;
  return {};
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// `print x`, not `print(x)` and not `print = x`.
bool is_statement(std::string_view line, std::string_view word) {
  if (!line.starts_with(word)) return false;
  line.remove_prefix(word.size());
  const auto next = line.find_first_not_of(' ');
  return next != 0 && next != std::string_view::npos && line[next] != '(' && line[next] != '=';
}

bool is_old_except(std::string_view line) {
  const auto comma = line.find(',');
  return line.starts_with("except ") && comma != std::string_view::npos &&
         comma < line.rfind(':') && line.find('(') > comma;
}

}  // namespace

std::string advice_for_python2_syntax(std::string_view source_line, std::string_view message) {
  if (is_statement(source_line, "print") || contains(message, "in call to 'print'"))
    return "write print(...) with parentheses, and port the rest of the code to Python 3";
  if (is_statement(source_line, "exec") || contains(message, "in call to 'exec'"))
    return "write exec(...) with parentheses, and port the rest of the code to Python 3";
  if (is_old_except(source_line))
    return "write 'except Class as name:', and port the rest of the code to Python 3";
  if (source_line.starts_with("raise ") && contains(source_line, ", ") &&
      !contains(source_line, "("))
    return "write 'raise Class(text)', and port the rest of the code to Python 3";
  if (contains(source_line, "<>"))
    return "write != for <>, and port the rest of the code to Python 3";
  if (contains(message, "leading zeros in decimal") || contains(message, "invalid token"))
    return "write octal numbers as 0o755, and port the rest of the code to Python 3";
  return {};
}

std::string advice_for_python2_name(std::string_view name) {
  if (name == "execfile") {
    return "to activate a virtual environment, remove the line and add "
           "python-home=/path/to/venv to WSGIDaemonProcess (or WSGIPythonHome /path/to/venv in "
           "embedded mode); to run a file p, write exec(open(p).read(), {'__file__': p})";
  }
  const std::string_view replacement = replacement_in(kNames, name);
  if (replacement.empty()) return {};
  return fmt::format("use {} in its location, and port the rest of the code to Python 3",
                     replacement);
}

std::string advice_for_python2_module(std::string_view name) {
  const std::string_view replacement = replacement_in(kModules, name);
  if (replacement.empty()) return {};
  return fmt::format("use {} in place of {}, and port the rest of the code to Python 3",
                     replacement, name);
}

}  // namespace wsgix::python
