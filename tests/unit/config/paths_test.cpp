// SPDX-License-Identifier: Apache-2.0
#include "wsgix/config/paths.hpp"

#include <gtest/gtest.h>

namespace wsgix::config {
namespace {

TEST(NormalPath, HasOneSpellingForOneFolder) {
  EXPECT_EQ(normal_path("/srv/jail"), "/srv/jail");
  EXPECT_EQ(normal_path("//srv///jail//"), "/srv/jail");
  EXPECT_EQ(normal_path("/./srv/./jail/."), "/srv/jail");
  EXPECT_EQ(normal_path("/"), "/");
  EXPECT_EQ(normal_path("///"), "/");
}

TEST(NormalPath, DoesNotGuessWhereDotsAndRelativePathsLead) {
  EXPECT_EQ(normal_path("/srv/../jail"), std::nullopt);
  EXPECT_EQ(normal_path("/.."), std::nullopt);
  EXPECT_EQ(normal_path("srv"), std::nullopt);
  EXPECT_EQ(normal_path(""), std::nullopt);
  EXPECT_EQ(normal_path("/srv/..jail/a.."), "/srv/..jail/a..");
}

TEST(PathInJail, LosesTheJailInFront) {
  EXPECT_EQ(path_in_jail("/srv/jail", "/srv/jail/app.wsgi"), "/app.wsgi");
  EXPECT_EQ(path_in_jail("/srv/jail", "/srv//./jail//a/app.wsgi"), "//a/app.wsgi");
}

TEST(PathInJail, KnowsThePathBoundary) {
  EXPECT_EQ(path_in_jail("/srv/jail", "/srv/jailbreak/app.wsgi"), std::nullopt);
  EXPECT_EQ(path_in_jail("/srv/jail", "/srv/app.wsgi"), std::nullopt);
  EXPECT_EQ(path_in_jail("/srv/jail", "/srv"), std::nullopt);
  EXPECT_EQ(path_in_jail("/srv/jail", "/srv/jail"), std::nullopt);
  EXPECT_EQ(path_in_jail("/srv/jail", "srv/jail/app.wsgi"), std::nullopt);
}

TEST(PathInJail, DoesNotLeaveIt) {
  EXPECT_EQ(path_in_jail("/srv/jail", "/srv/jail/../app.wsgi"), std::nullopt);
  EXPECT_EQ(path_in_jail("/srv/jail", "/srv/jail/a/.."), std::nullopt);
}

TEST(IsBelow, ComparesWholeSegments) {
  for (const char* const folder : {"/srv", "/srv/"}) {
    EXPECT_TRUE(is_below(folder, "/srv/app.py"));
    EXPECT_TRUE(is_below(folder, "/srv/"));
    EXPECT_FALSE(is_below(folder, "/srv"));
    EXPECT_FALSE(is_below(folder, "/srv2/app.py"));
  }
  EXPECT_TRUE(is_below("/", "/srv"));
  EXPECT_FALSE(is_below("/srv/app", "/srv"));
}

}  // namespace
}  // namespace wsgix::config
