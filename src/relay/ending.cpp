// SPDX-License-Identifier: Apache-2.0
#include "wsgix/relay/ending.hpp"

#include <cerrno>
#include <iterator>

namespace wsgix::relay {
namespace {

using enum Answer;

struct Row {
  std::string_view name;
  Outcome outcome;
  // The answer when nothing of the response has left, when it waits, when some has left.
  Answer at_first;
  Answer waiting;
  Answer under_way;
};

constexpr std::optional<LogLevel> kNoLine;
constexpr std::optional<LogLevel> kInfo = LogLevel::Info;
constexpr std::optional<LogLevel> kError = LogLevel::Error;
constexpr std::optional<ErrorCode> kItsOwn;
constexpr bool kRepeat = true;
constexpr bool kFinal = false;

// In the order of Ending.
// clang-format off
constexpr Row kRows[] = {
    {"whole",               {0,   kNoLine, kItsOwn,                          kFinal},  Response,  Response,     Response},
    {"failed",              {0,   kNoLine, kItsOwn,                          kFinal},  ErrorPage, ErrorPage,    ErrorPage},
    {"cut by worker",       {0,   kNoLine, kItsOwn,                          kFinal},  CutAfterRest, CutAfterRest, CutAfterRest},
    {"client gone",         {0,   kInfo,   ErrorCode::ClientGone,            kFinal},  Nothing,   Nothing,      Nothing},
    {"answered by httpd",   {0,   kNoLine, kItsOwn,                          kFinal},  HttpdsOwn, HttpdsOwn,    HttpdsOwn},
    {"body too slow",       {408, kInfo,   ErrorCode::ClientBodyFailed,      kFinal},  ErrorPage, ErrorPage,    ErrorPage},
    {"body too large",      {413, kInfo,   ErrorCode::ClientBodyFailed,      kFinal},  ErrorPage, ErrorPage,    ErrorPage},
    {"body malformed",      {400, kInfo,   ErrorCode::ClientBodyFailed,      kFinal},  ErrorPage, ErrorPage,    ErrorPage},
    {"group paused",        {503, kError,  ErrorCode::GroupPaused,           kRepeat}, Refusal,   CutAfterRest, CutAfterRest},
    {"queue full",          {503, kError,  ErrorCode::GroupFull,             kRepeat}, Refusal,   CutAfterRest, CutAfterRest},
    {"group full",          {503, kError,  ErrorCode::GroupFull,             kRepeat}, Refusal,   CutAfterRest, CutAfterRest},
    {"group not ready",     {503, kError,  ErrorCode::GroupNotRunning,       kRepeat}, Refusal,   CutAfterRest, CutAfterRest},
    {"deadline passed",     {504, kError,  ErrorCode::RequestDeadlinePassed, kFinal},  Refusal,   Refusal,      CutAtOnce},
    {"worker silent",       {504, kError,  ErrorCode::RequestTimedOut,       kFinal},  Refusal,   CutAfterRest, CutAfterRest},
    {"worker lost",         {502, kError,  ErrorCode::WorkerLost,            kFinal},  Refusal,   CutAfterRest, CutAfterRest},
    {"head too large",      {431, kError,  kItsOwn,                          kFinal},  Refusal,   CutAfterRest, CutAfterRest},
    {"no disk space",       {507, kError,  kItsOwn,                          kFinal},  Refusal,   CutAfterRest, CutAfterRest},
    {"buffer failed",       {500, kError,  kItsOwn,                          kFinal},  Refusal,   CutAfterRest, CutAfterRest},
    {"not connected",       {503, kError,  kItsOwn,                          kFinal},  Refusal,   CutAfterRest, CutAfterRest},
    {"conversation broken", {502, kError,  kItsOwn,                          kFinal},  Refusal,   CutAfterRest, CutAfterRest},
};
// clang-format on
static_assert(std::size(kRows) == kEndings);

const Row& row_of(Ending ending) noexcept { return kRows[static_cast<std::size_t>(ending)]; }

}  // namespace

Outcome outcome_of(Ending ending) noexcept { return row_of(ending).outcome; }

Answer answer_to(Ending ending, ResponseState response) noexcept {
  const Row& row = row_of(ending);
  switch (response) {
    case ResponseState::Nothing: return row.at_first;
    case ResponseState::Waiting: return row.waiting;
    case ResponseState::UnderWay: return row.under_way;
  }
  return row.under_way;
}

Ending ending_for(BodyFailure why) noexcept {
  switch (why) {
    case BodyFailure::ClientGone: return Ending::ClientGone;
    case BodyFailure::TooSlow: return Ending::BodyTooSlow;
    case BodyFailure::TooLarge: return Ending::BodyTooLarge;
    case BodyFailure::Malformed: return Ending::BodyMalformed;
    case BodyFailure::Answered: return Ending::AnsweredByHttpd;
  }
  return Ending::BodyMalformed;
}

Ending ending_for(const Error& error, bool connected) noexcept {
  if (error.code == ErrorCode::SpoolFailed) {
    const bool full = error.os_errno == ENOSPC || error.os_errno == EDQUOT;
    return full ? Ending::NoDiskSpace : Ending::BufferFailed;
  }
  if (error.code == ErrorCode::HeadTooLarge) return Ending::HeadTooLarge;
  return connected ? Ending::ConversationBroken : Ending::NotConnected;
}

std::string_view to_string(Ending ending) noexcept { return row_of(ending).name; }

}  // namespace wsgix::relay
