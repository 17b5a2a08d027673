// SPDX-License-Identifier: Apache-2.0
// runtime/text.hpp: wsgix_text and std::string_view are the same two words.
#pragma once

#include <string_view>

#include "wsgix/runtime/abi.h"

namespace wsgix::runtime {

inline wsgix_text text_of(std::string_view bytes) noexcept { return {bytes.data(), bytes.size()}; }
inline std::string_view view_of(wsgix_text text) noexcept { return {text.data, text.size}; }

}  // namespace wsgix::runtime
