// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/scripts.hpp"

#include <algorithm>
#include <optional>

namespace wsgix::scoreboard {
namespace {

enum Use : std::uint32_t { kFree = 0, kBeingWritten = 1, kUsed = 2 };

std::string text_of(const KnownScript& script) {
  std::string text = script.path;
  for (const std::string* part : {&script.application_group, &script.callable}) {
    text += '\0';
    text += *part;
  }
  return text + '\0';
}

std::string bytes_of(const ScriptSlot& slot) {
  std::string bytes;
  for (const auto& word : slot.text) {
    const std::uint64_t value = word.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>(value >> (8 * i));
  }
  return bytes;
}

void store_bytes(ScriptSlot& slot, const std::string& bytes) {
  for (std::size_t word = 0; word < slot.text.size(); ++word) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof value && word * 8 + i < bytes.size(); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(bytes[word * 8 + i])} << (8 * i);
    }
    slot.text[word].store(value, std::memory_order_relaxed);
  }
}

/// Whatever the bytes are, three texts; nullopt when they are none.
std::optional<KnownScript> script_in(const ScriptSlot& slot) {
  const std::string bytes = bytes_of(slot);
  KnownScript script;
  std::size_t at = 0;
  for (std::string* part : {&script.path, &script.application_group, &script.callable}) {
    const std::size_t end = bytes.find('\0', at);
    if (end == std::string::npos) return std::nullopt;
    *part = bytes.substr(at, end - at);
    at = end + 1;
  }
  const auto reloading = slot.reloading.load();
  if (reloading <= static_cast<std::uint32_t>(ScriptReloading::Rolling)) {
    script.reloading = static_cast<ScriptReloading>(reloading);
  }
  if (script.path.empty()) return std::nullopt;
  return script;
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

}  // namespace

bool remember_script(Board& board, const KnownScript& script, std::int64_t now_us) {
  const std::string bytes = text_of(script);
  if (bytes.size() > kScriptTextBytes) return false;
  const auto reloading = static_cast<std::uint32_t>(script.reloading);
  for (ScriptSlot& slot : board.scripts) {
    if (slot.used.load(std::memory_order_acquire) != kUsed) continue;
    const std::optional<KnownScript> known = script_in(slot);
    if (known && text_of(*known) == bytes) {
      slot.reloading.store(reloading);
      slot.last_use_us.store(now_us);
      return true;
    }
  }
  const std::int64_t oldest_us = oldest_remembered_us(board);
  for (ScriptSlot& slot : board.scripts) {
    if (!take(slot, oldest_us)) continue;
    store_bytes(slot, bytes);
    slot.reloading.store(reloading);
    slot.last_use_us.store(now_us);
    slot.used.store(kUsed, std::memory_order_release);
    return true;
  }
  return false;
}

std::vector<KnownScript> known_scripts(const Board& board) {
  const std::int64_t oldest_us = oldest_remembered_us(board);
  std::vector<KnownScript> scripts;
  for (const ScriptSlot& slot : board.scripts) {
    if (slot.used.load(std::memory_order_acquire) != kUsed) continue;
    if (slot.last_use_us.load() < oldest_us) continue;
    auto script = script_in(slot);
    const bool is_whole = slot.used.load(std::memory_order_acquire) == kUsed;
    if (script && is_whole) scripts.push_back(std::move(*script));
  }
  return scripts;
}

}  // namespace wsgix::scoreboard
