// SPDX-License-Identifier: Apache-2.0
#include "cli/group_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace wsgix::cli {
namespace {

TEST(GroupText, SaysAgesInTheUnitThatFits) {
  EXPECT_EQ(age_text(std::nullopt), "-");
  EXPECT_EQ(age_text(0), "0.0 s");
  EXPECT_EQ(age_text(9'999), "9.9 s");
  EXPECT_EQ(age_text(10'000), "10 s");
  EXPECT_EQ(age_text(120'000), "2 min");
  EXPECT_EQ(age_text(7'200'000), "2 h");
  EXPECT_EQ(age_text(172'800'000), "2 d");
  EXPECT_EQ(age_text(std::numeric_limits<std::int64_t>::min()), "0.0 s");
}

TEST(GroupText, SaysSizesInMebibytes) {
  EXPECT_EQ(size_text(0), "-");
  EXPECT_EQ(size_text(1), "1 MiB");
  EXPECT_EQ(size_text(45ull << 20), "45 MiB");
}

TEST(GroupText, ShowsWorkersRequestsAndEnds) {
  wire::GroupStatus status{.group = "shop",
                           .state = "serving",
                           .host = 10,
                           .generation = 3,
                           .processes = 2,
                           .threads = 15};
  status.workers = {{11, "ready", 3, 5'000, 2, 77, 45ull << 20, 100},
                    {12, "starting", 3, 100, 0, 0, 0, std::nullopt}};
  status.running = 3;
  status.requests = {{11, 21, "running", "GET /slow", 12'000, -1}};
  status.waiting = 4;
  status.waiting_oldest_ms = 1'500;
  status.deaths = {{1, 9, "was killed by signal 9 (SIGKILL)", "unexpected", 120'000}};

  EXPECT_EQ(group_text(status),
            "shop: serving, generation 3, 1 of 2 workers ready, 15 threads each, 2 requests "
            "running, 4 waiting, the oldest for 1.5 s (host 10)\n"
            "  WORKER  STATE     GENERATION  AGE    BUSY  REQUESTS  MEMORY  HEARTBEAT\n"
            "  11      ready     3           5.0 s  2/15  77        45 MiB  0.1 s ago\n"
            "  12      starting  3           0.1 s  0/15  0         -       -\n"
            "  FOR   WORKER  THREAD  PHASE    DEADLINE  REQUEST\n"
            "  12 s  11      21      running  passed    GET /slow\n"
            "  and 2 more\n"
            "  ENDED      WORKER  REASON      HOW\n"
            "  2 min ago  9       unexpected  was killed by signal 9 (SIGKILL)\n");
}

TEST(GroupText, CannotControlTheTerminal) {
  const std::string hostile = "\x1b]0;owned\x07\r\n\xc2\x9b";
  wire::GroupStatus status{.group = hostile, .state = hostile};
  status.workers = {{.pid = 1, .state = hostile}};
  status.requests = {{.phase = hostile, .request = hostile}};
  status.deaths = {{.end = hostile, .reason = hostile}};

  const std::string text = group_text(status);

  EXPECT_TRUE(std::all_of(text.begin(), text.end(),
                          [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 7);
}

}  // namespace
}  // namespace wsgix::cli
