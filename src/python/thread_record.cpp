// SPDX-License-Identifier: Apache-2.0
#include "thread_record.hpp"

namespace wsgix::python {

Ref KeyCache::key(std::size_t position, std::string_view name) {
  if (position < by_position_.size()) {
    const auto* hint = by_position_[position];
    if (hint && hint->first == name) return hint->second.copy();
  }
  auto found = keys_.find(name);
  if (found == keys_.end()) {
    PyObject* key =
        PyUnicode_DecodeLatin1(name.data(), static_cast<Py_ssize_t>(name.size()), nullptr);
    if (!key) return {};
    if (keys_.size() >= kMostKeys) return Ref::steal(key);
    PyUnicode_InternInPlace(&key);
    found = keys_.emplace(std::string(name), Ref::steal(key)).first;
  }
  if (position >= by_position_.size()) by_position_.resize(position + 1);
  by_position_[position] = &*found;  // the nodes of the map stay where they are
  return found->second.copy();
}

void KeyCache::clear() noexcept {
  by_position_.clear();
  keys_.clear();
}

void ThreadRecord::forget_python() noexcept {
  keys.clear();
  errors.wrapper.reset();
  errors.raw.reset();
}

}  // namespace wsgix::python
