// SPDX-License-Identifier: Apache-2.0
// supervisor/succession.hpp: the life of one host among those of its group, which follow each
// other.
#pragma once

#include <cstdint>
#include <string_view>

namespace wsgix::supervisor {

class Succession {
 public:
  enum class State : std::uint8_t {
    First,     ///< it starts, and no older host serves
    Waiting,   ///< it starts, and an older host serves until this one is ready
    Serving,   ///< all its workers have been ready: whoever comes next follows it
    Retiring,  ///< it ends
  };
  enum class Event : std::uint8_t {
    PredecessorEnded,
    AllReady,
    Overtaken,        ///< a newer host starts, and this one serves nobody
    OvertakenAtWork,  ///< a newer host starts, and a worker of this one serves
    AskedToEnd,
  };

  explicit Succession(bool predecessor_serves) noexcept
      : state_(predecessor_serves ? State::Waiting : State::First) {}

  /// False: that changes nothing.
  bool on_event(Event event) noexcept;

  State state() const noexcept { return state_; }
  bool predecessor_serves() const noexcept { return state_ == State::Waiting; }
  bool is_ending() const noexcept { return state_ == State::Retiring; }
  /// A newer host of the group has started, whatever this one does until then.
  bool is_superseded() const noexcept { return is_superseded_; }

 private:
  State state_;
  bool is_superseded_ = false;
};

std::string_view to_string(Succession::State state) noexcept;

}  // namespace wsgix::supervisor
