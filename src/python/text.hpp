// SPDX-License-Identifier: Apache-2.0
// python/text.hpp: between Python's str and the bytes of C++.
#pragma once

#include <string>
#include <string_view>

#include "ref.hpp"
#include "wsgix/runtime/text.hpp"

namespace wsgix::python {

using runtime::text_of;
using runtime::view_of;
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

// For names that are asked for with every request. They are interned: a text made anew each time is
// never found in CPython's cache of methods, and takes a slot there from others.
Ref attribute(PyObject* object, const char* name);
/// `argument`: borrowed; nullptr: none.
Ref call_method(PyObject* object, const char* name, PyObject* argument = nullptr);

/// getattr() for lookups that are allowed to fail: null leaves no exception pending.
Ref attribute_or_null(PyObject* object, const char* name);
long integer_attribute(PyObject* object, const char* name, long otherwise);
std::string text_attribute(PyObject* object, const char* name);

}  // namespace wsgix::python
