// SPDX-License-Identifier: Apache-2.0
// python/text.hpp: between Python's str and the bytes of C++.
#pragma once

#include <string>
#include <string_view>

#include "ref.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

inline std::string_view view(const wsgix_text& text) noexcept { return {text.data, text.size}; }
inline wsgix_text text_of(std::string_view bytes) noexcept { return {bytes.data(), bytes.size()}; }
inline std::string_view or_empty(const char* text) noexcept { return text ? text : ""; }

/// str from bytes that may be anything.
Ref latin1(std::string_view bytes);
Ref utf8(std::string_view bytes);
Ref filesystem_text(std::string_view bytes);

/// For log lines: never fails, leaves no exception pending.
std::string to_utf8(PyObject* text);
std::string str_of(PyObject* object);
std::string type_name(PyObject* object);

/// Appends the latin-1 bytes of a str. False: an exception is pending (TypeError with PEP 3333's
/// text for something else than str, UnicodeEncodeError beyond latin-1).
bool append_latin1(std::string& to, PyObject* text);

/// getattr() for lookups that are allowed to fail: null leaves no exception pending.
Ref attribute_or_null(PyObject* object, const char* name);
long integer_attribute(PyObject* object, const char* name, long otherwise);
std::string text_attribute(PyObject* object, const char* name);

}  // namespace wsgix::python
