// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/threads.hpp"

#include <algorithm>

namespace wsgix::scoreboard {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;

/// The first free slot is always taken first: behind one that nobody has ever had there is none.
/// So most of the board is never touched.
bool was_never_used(const ThreadSlot& slot) noexcept {
  return slot.pid.load(kRelaxed) == 0 && slot.thread_id.load(kRelaxed) == 0;
}

std::string text_of(const ThreadSlot& slot) {
  std::string text;
  for (const auto& word : slot.text) {
    const std::uint64_t bytes = word.load(kAcquire);
    for (std::size_t i = 0; i < sizeof bytes; ++i) {
      const char c = static_cast<char>(bytes >> (8 * i));
      if (c == '\0') return text;
      text += c >= ' ' && c < 127 ? c : '?';
    }
  }
  return text;
}

/// Gathers bytes into words, so that no byte of the board is written by a plain store.
class Writer {
 public:
  explicit Writer(ThreadSlot& slot) noexcept : slot_(slot) {}

  void put(std::string_view text) noexcept {
    for (const char c : text) {
      if (at_ + 1 == kRequestTextBytes) return;  // the last byte ends the text
      put_byte(c);
    }
  }
  void finish() noexcept {
    put_byte('\0');
    if (at_ % 8 != 0) slot_.text[at_ / 8].store(word_, kRelaxed);
  }

 private:
  void put_byte(char c) noexcept {
    word_ |= std::uint64_t{static_cast<unsigned char>(c)} << (8 * (at_ % 8));
    if (++at_ % 8 != 0) return;
    slot_.text[at_ / 8 - 1].store(word_, kRelaxed);
    word_ = 0;
  }

  ThreadSlot& slot_;
  std::size_t at_ = 0;
  std::uint64_t word_ = 0;
};

}  // namespace

HeldThreadSlot::HeldThreadSlot(Board& board, std::uint32_t pid, std::uint32_t thread_id) noexcept {
  for (ThreadSlot& slot : board.threads) {
    std::uint32_t free = 0;
    if (slot.pid.load(kRelaxed) != 0 || !slot.pid.compare_exchange_strong(free, pid)) continue;
    slot.thread_id.store(thread_id);
    slot_ = &slot;
    end();
    return;
  }
}

HeldThreadSlot::~HeldThreadSlot() {
  if (slot_ == nullptr) return;
  end();
  slot_->pid.store(0);
}

void HeldThreadSlot::begin(std::uint64_t request, std::string_view method, std::string_view target,
                           std::int64_t deadline_us) noexcept {
  if (slot_ == nullptr) return;
  Writer writer(*slot_);
  writer.put(method);
  writer.put(" ");
  writer.put(target);
  writer.finish();
  const std::int64_t now = now_us();
  slot_->since_us.store(now, kRelaxed);
  slot_->phase_us.store(now, kRelaxed);
  slot_->deadline_us.store(deadline_us, kRelaxed);
  slot_->phase.store(ThreadPhase::Running, kRelaxed);
  slot_->request.store(request, std::memory_order_release);
}

void HeldThreadSlot::show_phase(ThreadPhase phase) noexcept {
  if (slot_ == nullptr) return;
  slot_->phase_us.store(now_us(), kRelaxed);
  slot_->phase.store(phase, kRelaxed);
}

void HeldThreadSlot::end() noexcept {
  if (slot_ == nullptr) return;
  // An exchange, so that nothing of the next request is seen before this.
  slot_->request.exchange(0, std::memory_order_acq_rel);
  slot_->phase.store(ThreadPhase::Idle, kRelaxed);
}

std::vector<RunningRequest> running_requests(const Board& board, std::uint32_t pid) {
  std::vector<RunningRequest> running;
  for (const ThreadSlot& slot : board.threads) {
    if (was_never_used(slot)) break;
    const std::uint32_t owner = slot.pid.load(kRelaxed);
    if (owner == 0 || (pid != 0 && owner != pid)) continue;
    const std::uint64_t id = slot.request.load(kAcquire);
    if (id == 0) continue;
    RunningRequest request{owner,
                           slot.thread_id.load(kAcquire),
                           id,
                           slot.phase.load(kAcquire),
                           slot.since_us.load(kAcquire),
                           slot.phase_us.load(kAcquire),
                           slot.deadline_us.load(kAcquire),
                           text_of(slot)};
    // Another request meanwhile: what was read is a mixture of both. Each load above acquires, so
    // that this one comes last.
    if (slot.request.load(kRelaxed) == id) running.push_back(std::move(request));
  }
  std::sort(running.begin(), running.end(),
            [](const auto& one, const auto& other) { return one.since_us < other.since_us; });
  return running;
}

void free_threads_of(Board& board, std::uint32_t pid) noexcept {
  for (ThreadSlot& slot : board.threads) {
    if (was_never_used(slot)) break;
    if (slot.pid.load(kRelaxed) != pid) continue;
    slot.request.store(0);
    slot.pid.store(0);
  }
}

}  // namespace wsgix::scoreboard
