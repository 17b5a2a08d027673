// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace wsgix {
namespace {

TEST(LogLine, HasCodeSubjectCauseAndRemedy) {
  const Error error{ErrorCode::CannotDropPrivileges,
                    "daemon group 'blog': setresuid for uid 1003 gid 1003", EAGAIN};

  EXPECT_EQ(to_log_line(error),
            "WX2002: daemon group 'blog': setresuid for uid 1003 gid 1003: "
            "Resource temporarily unavailable (errno 11). Remedy: start httpd as root, or remove "
            "user= and group= from this group; on EAGAIN raise the account's process limit "
            "(ulimit -u)");
}

TEST(LogLine, LeavesOutAnErrnoThatThereIsNot) {
  EXPECT_EQ(to_log_line({ErrorCode::UnknownOption, "WSGIDaemonProcess has no option 'treads'"}),
            "WX3002: WSGIDaemonProcess has no option 'treads'. Remedy: see docs/directives for the "
            "options of this directive");
}

TEST(LogLine, NamesTheGroupInFrontOfTheSubject) {
  const Error error = of_group("shop", {ErrorCode::SystemCallFailed, "epoll_ctl", 28});

  EXPECT_TRUE(to_log_line(error).starts_with("WX2010: group 'shop': epoll_ctl: "))
      << to_log_line(error);
}

TEST(LogLine, PrefersTheRemedyOfThePlaceThatKnowsMore) {
  const Error error{ErrorCode::ScriptSyntaxError, "x.wsgi:3", 0, "close the bracket in line 3"};

  EXPECT_EQ(to_log_line(error), "WX5002: x.wsgi:3. Remedy: close the bracket in line 3");
}

TEST(ErrorCode, OfARequestIsWhatHadItsScript) {
  EXPECT_TRUE(is_of_a_request(ErrorCode::ApplicationRaised));
  EXPECT_TRUE(is_of_a_request(ErrorCode::GroupPaused));
  EXPECT_FALSE(is_of_a_request(ErrorCode::ThreadHoldsUpExit));
  EXPECT_FALSE(is_of_a_request(ErrorCode::UnexpectedException));
}

}  // namespace
}  // namespace wsgix
