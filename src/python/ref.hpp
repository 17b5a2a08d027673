// SPDX-License-Identifier: Apache-2.0
// python/ref.hpp: who owns a reference is part of the type.
#pragma once

#include <utility>

#include "python_api.hpp"

namespace wsgix::python {

/// Owns one reference, or none. A null Ref returned by a function means what null means
/// in CPython: a Python exception is pending. Raw PyObject* is always borrowed.
/// Destroy it only while the GIL of its interpreter is held.
class [[nodiscard]] Ref {
 public:
  Ref() = default;

  /// For "Return value: New reference" in the C API manual.
  static Ref steal(PyObject* owned) noexcept { return Ref(owned); }
  /// For "Return value: Borrowed reference".
  static Ref borrow(PyObject* borrowed) noexcept { return Ref(new_ref_or_null(borrowed)); }

  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    Ref(std::move(other)).swap(*this);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  explicit operator bool() const noexcept { return object_ != nullptr; }
  PyObject* get() const noexcept { return object_; }
  Ref copy() const noexcept { return borrow(object_); }
  void reset() noexcept { Ref().swap(*this); }
  /// Hands the reference to an API that steals it, or back to CPython.
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  void swap(Ref& other) noexcept { std::swap(object_, other.object_); }

 private:
  explicit Ref(PyObject* owned) noexcept : object_(owned) {}
  PyObject* object_ = nullptr;
};

}  // namespace wsgix::python
