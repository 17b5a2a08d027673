// SPDX-License-Identifier: Apache-2.0
// base/fmt.cpp: {fmt}'s own code, compiled here once. Header-only, every file that formats a line
// would compile it again: three times the time of a build.
//
// A static libfmt is not in every distribution and a shared one is not wanted in httpd's process,
// so the headers' implementation part becomes ours.
#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {

// What format.h declares as instantiated elsewhere.
template FMT_API auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl(locale_ref) -> char;

// What its users leave undefined unless somebody instantiates it.
template FMT_API auto dragonbox::to_decimal(float) noexcept -> dragonbox::decimal_fp<float>;
template FMT_API auto dragonbox::to_decimal(double) noexcept -> dragonbox::decimal_fp<double>;

#if FMT_VERSION >= 100000 && FMT_VERSION < 110000
template FMT_API void vformat_to(buffer<char>&, string_view, vformat_args<>::type, locale_ref);
#endif

}  // namespace detail
FMT_END_NAMESPACE
