// SPDX-License-Identifier: Apache-2.0
// daemon/session.hpp: one request on one connection, between frames and the runtime's table.
//
// Knows messages and abi.h; neither threads nor other connections.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/channel/channel.hpp"
#include "wsgix/os/ownership.hpp"
#include "wsgix/runtime/abi.h"
#include "wsgix/runtime/request_watchdog.hpp"
#include "wsgix/runtime/stream.hpp"
#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/wire/dialogue.hpp"

namespace wsgix::daemon {

/// What answers requests: a runtime, or the reason why there is none.
struct Application {
  const wsgix_runtime* runtime = nullptr;
  std::optional<Error> broken;
  os::RequiredOwner script_owner = {};  ///< of every script that is executed
};

/// Capacity that one serving thread uses again for each of its requests.
struct RequestScratch {
  wire::RequestHead head;
  std::string payload;
  std::vector<wsgix_field> environ;
  std::vector<wire::FieldView> headers;
  std::string script_key;
};

/// Where others see what a serving thread does. Borrowed by its sessions.
struct Visibility {
  scoreboard::HeldThreadSlot& thread;
  scoreboard::WorkerSlot& worker;
};

class Session final : public runtime::WatchedRequest, public runtime::Stream {
 public:
  enum class Ending {
    Answered,  ///< the rest of the answer is queued
    Stale,     ///< not executed, nothing queued: the script changed
    Broken,    ///< the connection failed meanwhile
  };

  /// Everything is borrowed. `id`: never used twice in this process. `patience`: how long the peer
  /// may do nothing.
  Session(std::uint64_t id, channel::Channel& channel, wire::Intake& intake,
          Clock::duration patience, LogSink& log, RequestScratch& scratch,
          Visibility shown) noexcept
      : id_(id),
        channel_(channel),
        intake_(intake),
        patience_(patience),
        log_(log),
        scratch_(scratch),
        shown_(shown) {}

  /// Takes the payload of a RequestHead frame.
  Result<void> open(std::string_view payload);
  Ending run(const Application& application);
  std::string_view environ(std::string_view name) const noexcept;
  const wire::RequestHead& head() const noexcept { return scratch_.head; }
  std::uint64_t id() const noexcept { return id_; }
  /// The script's application was there for this request, as far as its outcome tells.
  bool has_loaded() const noexcept { return loaded_; }

  // ---- what the runtime calls ----
  std::ptrdiff_t read_body(char* into, std::size_t size, bool may_wait) override;
  int send_head(const wsgix_response_head& head) override;
  int send_body(std::string_view data) override;
  int send_file(int descriptor, std::uint64_t offset, std::uint64_t length) override;
  int flush() override;
  bool client_is_gone() const noexcept override;
  void early_hints(const wsgix_field* headers, std::size_t count) override;
  void show_loading(bool begins) noexcept override;
  void log(int level, std::string_view file, std::uint32_t line, std::string_view text) override;
  void log_of_copy(int level, std::string_view text) noexcept override;
  void log_bug(const char* what) noexcept override;

  // ---- what the watchdog calls, from its own thread, beside client_is_gone() ----
  std::string describe() const override;
  /// Not to the child: at a deadline it has given up listening.
  void log_line(LogLevel level, std::string_view line) noexcept override;

 private:
  Ending queue_answer(const wsgix_outcome& outcome);
  Ending refuse(const Error& error, std::uint16_t http_status);
  wsgix_request request_for_runtime();
  void ask_for_body();
  /// False when nothing came: it must be waited for and may not, or something failed.
  bool receive_piece(bool may_wait);
  bool take_body_frame(const channel::Frame& frame);
  int fail(const Error& error);
  Deadline send_deadline(std::size_t more_bytes) const;
  void show_activity() noexcept;

  const std::uint64_t id_;
  channel::Channel& channel_;
  wire::Intake& intake_;
  Clock::duration patience_;
  LogSink& log_;
  RequestScratch& scratch_;
  Visibility shown_;

  bool asks_for_body_ = false;  ///< before it comes, and that has not been done
  // Atomic because client_is_gone() may be asked by another thread of the application.
  std::atomic<int> body_failure_ = 0;  ///< WSGIX_IO_*, once the application cannot get it whole
  std::atomic<int> io_failure_ = 0;    ///< WSGIX_IO_*, once the connection is unusable
  /// Guards the channel's queue: any thread of the application may write to wsgi.errors while
  /// another one is inside a call that sends.
  std::mutex sending_;
  bool answered_ = false;  ///< under sending_: what is queued next belongs to another request
  bool loaded_ = false;
  std::string_view unread_;
  bool head_sent_ = false;
};

}  // namespace wsgix::daemon
