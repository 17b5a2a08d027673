// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/group_status.hpp"

#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>

namespace wsgix::wire {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDeepestLevel = 4;

// Each message is described once, by describe(): the same list of members writes and reads it.

class Writer {
 public:
  void member(const char* name, const std::string& text) { out_[name] = text; }
  void member(const char* name, std::uint32_t number) { out_[name] = number; }
  void member(const char* name, std::uint64_t number) { out_[name] = number; }
  void member(const char* name, const Age& age) {
    if (age) {
      out_[name] = *age;
    } else {
      out_[name] = nullptr;
    }
  }
  template <typename Message>
  void member(const char* name, const Message& message);
  template <typename Message>
  void member(const char* name, const std::vector<Message>& list);

  Json take() { return std::move(out_); }

 private:
  Json out_ = Json::object();
};

/// Remembers whether everything was there and of its kind; what was not, stays empty.
class Reader {
 public:
  explicit Reader(const Json& in) : in_(in), complete_(in.is_object()) {}

  void member(const char* name, std::string& text) {
    const Json* const found = find(name);
    if (expect(found != nullptr && found->is_string())) text = found->get<std::string>();
  }
  void member(const char* name, std::uint32_t& number) {
    std::uint64_t wide = 0;
    member(name, wide);
    if (expect(wide <= std::numeric_limits<std::uint32_t>::max())) {
      number = static_cast<std::uint32_t>(wide);
    }
  }
  void member(const char* name, std::uint64_t& number) {
    const Json* const found = find(name);
    if (expect(found != nullptr && found->is_number_unsigned())) {
      number = found->get<std::uint64_t>();
    }
  }
  void member(const char* name, Age& age) {
    const Json* const found = find(name);
    if (!expect(found != nullptr) || found->is_null()) return;
    // An unsigned number above the signed range would change its sign.
    const bool fits = found->is_number_integer() &&
                      (!found->is_number_unsigned() ||
                       found->get<std::uint64_t>() <=
                           static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
    if (expect(fits)) age = found->get<std::int64_t>();
  }
  template <typename Message>
  void member(const char* name, Message& message);
  template <typename Message>
  void member(const char* name, std::vector<Message>& list);

  bool complete() const noexcept { return complete_; }

 private:
  bool expect(bool holds) noexcept {
    complete_ = complete_ && holds;
    return holds;
  }
  const Json* find(const char* name) const {
    if (!in_.is_object()) return nullptr;
    const auto found = in_.find(name);
    return found == in_.end() ? nullptr : &*found;
  }

  const Json& in_;
  bool complete_;
};

template <typename Message, typename Plain>
concept MaybeConst = std::same_as<std::remove_const_t<Message>, Plain>;

template <typename Visitor, MaybeConst<WorkerStatus> Message>
void describe(Visitor& to, Message& worker) {
  to.member("pid", worker.pid);
  to.member("state", worker.state);
  to.member("generation", worker.generation);
  to.member("age_ms", worker.age_ms);
  to.member("busy", worker.busy);
  to.member("requests", worker.requests);
  to.member("resident_bytes", worker.resident_bytes);
  to.member("heartbeat_ms", worker.heartbeat_ms);
}
template <typename Visitor, MaybeConst<RequestStatus> Message>
void describe(Visitor& to, Message& request) {
  to.member("worker", request.worker);
  to.member("thread", request.thread);
  to.member("phase", request.phase);
  to.member("request", request.request);
  to.member("age_ms", request.age_ms);
  to.member("time_left_ms", request.time_left_ms);
}
template <typename Visitor, MaybeConst<DeathStatus> Message>
void describe(Visitor& to, Message& death) {
  to.member("number", death.number);
  to.member("pid", death.pid);
  to.member("end", death.end);
  to.member("reason", death.reason);
  to.member("age_ms", death.age_ms);
}
template <typename Visitor, MaybeConst<GroupStatus> Message>
void describe(Visitor& to, Message& group) {
  to.member("group", group.group);
  to.member("state", group.state);
  to.member("host", group.host);
  to.member("generation", group.generation);
  to.member("processes", group.processes);
  to.member("threads", group.threads);
  to.member("failures_in_a_row", group.failures_in_a_row);
  to.member("error_log", group.error_log);
  to.member("workers", group.workers);
  to.member("running", group.running);
  to.member("requests", group.requests);
  to.member("waiting", group.waiting);
  to.member("waiting_oldest_ms", group.waiting_oldest_ms);
  to.member("deaths_so_far", group.deaths_so_far);
  to.member("deaths", group.deaths);
}
template <typename Visitor, MaybeConst<CommandAnswer> Message>
void describe(Visitor& to, Message& answer) {
  to.member("refused", answer.refused);
  to.member("status", answer.status);
}

template <typename Message>
Json written(const Message& message) {
  Writer writer;
  describe(writer, message);
  return writer.take();
}

template <typename Message>
void Writer::member(const char* name, const Message& message) {
  out_[name] = written(message);
}
template <typename Message>
void Writer::member(const char* name, const std::vector<Message>& list) {
  Json& array = out_[name] = Json::array();
  for (const Message& message : list) array.push_back(written(message));
}

template <typename Message>
void Reader::member(const char* name, Message& message) {
  const Json* const found = find(name);
  if (!expect(found != nullptr)) return;
  Reader inner(*found);
  describe(inner, message);
  expect(inner.complete());
}
template <typename Message>
void Reader::member(const char* name, std::vector<Message>& list) {
  const Json* const found = find(name);
  if (!expect(found != nullptr && found->is_array())) return;
  for (const Json& element : *found) {
    Reader inner(element);
    describe(inner, list.emplace_back());
    expect(inner.complete());
  }
}

/// Deeper values are left out while they are read: a hostile answer must not cost much memory.
bool shallow(int depth, Json::parse_event_t, Json&) { return depth <= kDeepestLevel; }

/// A name from the configuration may hold any bytes; JSON is UTF-8.
std::string as_text(const Json& json, int indent) {
  return json.dump(indent, ' ', true, Json::error_handler_t::replace);
}

}  // namespace

std::string encode_answer(const CommandAnswer& answer) { return as_text(written(answer), -1); }

Result<CommandAnswer> decode_answer(std::string_view line) {
  const Json json = Json::parse(line, shallow, false);
  CommandAnswer answer;
  Reader reader(json);
  describe(reader, answer);
  if (!reader.complete()) {
    return failed(ErrorCode::CommandRefused,
                  "control socket: the answer is not one of this version");
  }
  return answer;
}

std::string to_json_text(const std::vector<GroupStatus>& groups) {
  Json list = Json::array();
  for (const GroupStatus& group : groups) list.push_back(written(group));
  return as_text(list, 2);
}

}  // namespace wsgix::wire
