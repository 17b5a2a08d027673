// SPDX-License-Identifier: Apache-2.0
// base/scope_exit.hpp: one action at the end of a scope, for the rare owner without a class.
#pragma once

#include <type_traits>
#include <utility>

namespace wsgix {

template <typename Action>
class [[nodiscard]] ScopeExit {
 public:
  explicit ScopeExit(Action action) noexcept : action_(std::move(action)) {}
  ~ScopeExit() { action_(); }
  ScopeExit(const ScopeExit&) = delete;
  ScopeExit& operator=(const ScopeExit&) = delete;

 private:
  static_assert(std::is_nothrow_move_constructible_v<Action>);
  Action action_;
};

}  // namespace wsgix
