// SPDX-License-Identifier: Apache-2.0
// python/thread_record.hpp: one operating system thread in one interpreter.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "interpreter.hpp"
#include "ref.hpp"

namespace wsgix::python {

/// Environ keys as interned str. The keys of a site's requests come in the same order nearly
/// every time, so the position in the previous request is tried first.
class KeyCache {
 public:
  Ref key(std::size_t position, std::string_view name);
  void clear() noexcept;

 private:
  // Clients choose the names of headers, so the memory for them has a bound.
  static constexpr std::size_t kMostKeys = 512;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Keys = std::unordered_map<std::string, Ref, Hash, std::equal_to<>>;

  Keys keys_;
  std::vector<const Keys::value_type*> by_position_;
};

/// wsgi.errors of a thread, used again for the next request when the application kept nothing.
struct ErrorsStream {
  Ref raw;
  Ref wrapper;
};

/// Kept as long as the thread lives, so that threading.local data survive between requests.
struct ThreadRecord {
  ThreadRecord(Interpreter& of, PyThreadState& thread_state) noexcept
      : interpreter(of), state(thread_state) {}

  Interpreter& interpreter;
  PyThreadState& state;
  KeyCache keys;
  ErrorsStream errors;

  /// Needs the GIL of the interpreter.
  void forget_python() noexcept;
};

}  // namespace wsgix::python
