// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/scripts.hpp"

#include <algorithm>
#include <optional>

namespace wsgix::scoreboard {
namespace {

enum Use : std::uint32_t { kFree = 0, kBeingWritten = 1, kUsed = 2 };

std::string bytes_of(const ScriptSlot& slot) {
  std::string bytes;
  for (const auto& word : slot.script) {
    const std::uint64_t value = word.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>(value >> (8 * i));
  }
  return bytes;
}

void store_bytes(ScriptSlot& slot, const std::string& bytes) {
  for (std::size_t word = 0; word < slot.script.size(); ++word) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof value && word * 8 + i < bytes.size(); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(bytes[word * 8 + i])} << (8 * i);
    }
    slot.script[word].store(value, std::memory_order_relaxed);
  }
}

/// Whatever the bytes are; nullopt when they are none.
std::optional<wsgi::OwnedScriptRef> script_in(const ScriptSlot& slot) {
  const std::string bytes = bytes_of(slot);
  ByteReader reader(bytes);  // behind the script the slot is empty
  const auto script = wsgi::take_script(reader);
  if (!script || script->path.empty()) return std::nullopt;
  return wsgi::owned(*script);
}

/// Older uses are forgotten. Counted from the last use of all: a quiet group forgets nothing.
std::int64_t oldest_remembered_us(const Board& board) {
  std::int64_t newest = 0;
  for (const ScriptSlot& slot : board.scripts) {
    if (slot.used.load(std::memory_order_acquire) != kUsed) continue;
    newest = std::max(newest, slot.last_use_us.load());
  }
  return newest - std::chrono::microseconds(kScriptMemory).count();
}

/// True: nobody else writes it, and nobody reads it.
bool take(ScriptSlot& slot, std::int64_t oldest_us) {
  std::uint32_t found = kFree;
  if (slot.used.compare_exchange_strong(found, kBeingWritten)) return true;
  return found == kUsed && slot.last_use_us.load() < oldest_us &&
         slot.used.compare_exchange_strong(found, kBeingWritten);
}

void fill(ScriptSlot& slot, const std::string& bytes, std::int64_t now_us) {
  store_bytes(slot, bytes);
  slot.last_use_us.store(now_us);
  slot.used.store(kUsed, std::memory_order_release);
}

/// A newer use of a script that the slot has, maybe with another reloading.
void renew(ScriptSlot& slot, const std::string& bytes, bool is_changed, std::int64_t now_us) {
  std::uint32_t found = kUsed;
  if (is_changed && slot.used.compare_exchange_strong(found, kBeingWritten)) {
    fill(slot, bytes, now_us);
  } else {
    slot.last_use_us.store(now_us);
  }
}

/// 0 is an empty slot.
std::uint64_t key_of(const Board& board, std::uint64_t failure) noexcept {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // spreads small numbers over all bits
  const std::uint64_t key = failure ^ (kOdd * (1 + std::uint64_t{board.generation.load()}));
  return key != 0 ? key : kOdd;
}

}  // namespace

bool remember_script(Board& board, const wsgi::ScriptRef& script, std::int64_t now_us) {
  std::string bytes;
  wsgi::encode(wsgi::as_configured(script), bytes);
  if (bytes.size() > kScriptBytes) return false;
  for (ScriptSlot& slot : board.scripts) {
    if (slot.used.load(std::memory_order_acquire) != kUsed) continue;
    const auto known = script_in(slot);
    if (known && wsgi::is_same_script(*known, script)) {
      renew(slot, bytes, known->reloading != script.reloading, now_us);
      return true;
    }
  }
  const std::int64_t oldest_us = oldest_remembered_us(board);
  for (ScriptSlot& slot : board.scripts) {
    if (!take(slot, oldest_us)) continue;
    fill(slot, bytes, now_us);
    return true;
  }
  return false;
}

std::vector<wsgi::OwnedScriptRef> known_scripts(const Board& board) {
  const std::int64_t oldest_us = oldest_remembered_us(board);
  std::vector<wsgi::OwnedScriptRef> scripts;
  for (const ScriptSlot& slot : board.scripts) {
    if (slot.used.load(std::memory_order_acquire) != kUsed) continue;
    if (slot.last_use_us.load() < oldest_us) continue;
    auto script = script_in(slot);
    const bool is_whole = slot.used.load(std::memory_order_acquire) == kUsed;
    if (script && is_whole) scripts.push_back(std::move(*script));
  }
  return scripts;
}

// Two workers that fail for the first time at the same moment agree on one slot by the exchange;
// the count may be off by one while a slot is taken over, which changes the words of a line.
std::uint32_t count_failure(Board& board, std::uint64_t failure) noexcept {
  const std::uint64_t key = key_of(board, failure);
  for (FailureSlot& slot : board.failures) {
    std::uint64_t found = slot.key.load();
    if (found == 0 && slot.key.compare_exchange_strong(found, key)) found = key;
    if (found == key) return slot.count.fetch_add(1);
  }
  FailureSlot& oldest = board.failures[board.next_failure.fetch_add(1) % kFailureSlots];
  oldest.count.store(1);
  oldest.key.store(key);
  return 0;
}

}  // namespace wsgix::scoreboard
