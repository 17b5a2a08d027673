// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/ownership.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace wsgix::os {
namespace {

class Ownership : public testing::Test {
 protected:
  Ownership() {
    char name[] = "/tmp/wsgix-owner-XXXXXX";
    folder_ = std::filesystem::canonical(::mkdtemp(name));
    ::chmod(folder_.c_str(), 0755);
    std::ofstream(script()) << "pass\n";
    ::chmod(script().c_str(), 0644);
  }
  ~Ownership() override { std::filesystem::remove_all(folder_); }

  std::string script() const { return folder_ + "/app.wsgi"; }
  RequiredOwner me() const { return {::geteuid(), std::nullopt}; }
  RequiredOwner my_group() const { return {std::nullopt, ::getegid()}; }
  static std::string refusal(const Result<void>& checked) {
    return checked ? std::string() : to_log_line(checked.error());
  }

  std::string folder_;
};

TEST_F(Ownership, AcceptsWhatBelongsToTheAccountAlone) {
  EXPECT_EQ(refusal(check_owner(script(), me())), "");
  EXPECT_EQ(refusal(check_owner(script(), my_group())), "");
  EXPECT_EQ(refusal(check_owner(script(), {})), "");
}

TEST_F(Ownership, RefusesAnotherOwnerWithPathModeAndRemedy) {
  const std::string why = refusal(check_owner(script(), {::geteuid() + 1, std::nullopt}));

  EXPECT_NE(why.find("WX3011: script " + script() + " does not belong to script-user="),
            std::string::npos)
      << why;
  EXPECT_NE(why.find("mode 0644"), std::string::npos) << why;
  EXPECT_NE(why.find("Remedy: chown "), std::string::npos) << why;
  EXPECT_NE(refusal(check_owner(script(), {std::nullopt, ::getegid() + 1})), "");
}

TEST_F(Ownership, RefusesWhatOthersMayWrite) {
  ::chmod(script().c_str(), 0664);
  EXPECT_NE(refusal(check_owner(script(), me())).find("its group"), std::string::npos);
  EXPECT_EQ(refusal(check_owner(script(), my_group())), "");

  ::chmod(script().c_str(), 0646);
  EXPECT_NE(refusal(check_owner(script(), me())).find("everybody"), std::string::npos);
  EXPECT_NE(refusal(check_owner(script(), my_group())).find("everybody"), std::string::npos);
}

TEST_F(Ownership, LooksAtTheFolderAsWell) {
  ::chmod(folder_.c_str(), 0777);

  const std::string why = refusal(check_owner(script(), my_group()));

  EXPECT_NE(why.find("the script's directory " + folder_ + " may be written by everybody"),
            std::string::npos)
      << why;
}

TEST_F(Ownership, LooksAtTheFileAndBothFoldersOfALink) {
  const std::string elsewhere = folder_ + "/links";
  std::filesystem::create_directory(elsewhere);
  std::filesystem::create_symlink(script(), elsewhere + "/app.wsgi");
  ::chmod(elsewhere.c_str(), 0755);
  EXPECT_EQ(refusal(check_owner(elsewhere + "/app.wsgi", me())), "");

  ::chmod(elsewhere.c_str(), 0777);
  EXPECT_NE(refusal(check_owner(elsewhere + "/app.wsgi", me())).find(elsewhere), std::string::npos);

  ::chmod(elsewhere.c_str(), 0755);
  ::chmod(script().c_str(), 0666);
  EXPECT_NE(refusal(check_owner(elsewhere + "/app.wsgi", me())).find(script()), std::string::npos);
}

TEST_F(Ownership, RefusesWhatIsNotThere) {
  EXPECT_NE(refusal(check_owner(folder_ + "/gone.wsgi", me())), "");
}

}  // namespace
}  // namespace wsgix::os
