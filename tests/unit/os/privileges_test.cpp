// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/privileges.hpp"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

namespace wsgix::os {
namespace {

const Identity kBlog{"blog", 1003, 1004, {44, 45}};
const Identity kJailed{"blog", 1003, 1004, {44, 45}, "/srv/jail"};

/// Writes down every call and makes the named one fail.
class ScriptedCalls final : public PrivilegeCalls {
 public:
  explicit ScriptedCalls(std::string failing = "") : failing_(std::move(failing)) {}

  int enter_jail(const std::string&) override { return note("enter_jail"); }
  int setgroups(const std::vector<gid_t>&) override { return note("setgroups"); }
  int setresgid(gid_t) override { return note("setresgid"); }
  int setresuid(uid_t) override { return note("setresuid"); }
  bool holds_exactly(const Identity&) override { return note("holds_exactly") == 0; }
  bool can_regain_root() override { return note("can_regain_root") != 0; }
  bool can_leave_jail() override { return note("can_leave_jail") != 0; }

  std::vector<std::string> made;

 private:
  int note(const char* call) {
    made.emplace_back(call);
    errno = EPERM;
    return call == failing_ ? -1 : 0;
  }
  std::string failing_;
};

TEST(DropPrivileges, ChangesGroupsBeforeTheUser) {
  ScriptedCalls calls;

  ASSERT_TRUE(drop_privileges(calls, kBlog));

  EXPECT_EQ(calls.made, (std::vector<std::string>{"setgroups", "setresgid", "setresuid",
                                                  "holds_exactly", "can_regain_root"}));
}

TEST(DropPrivileges, EntersTheJailWhileItMayAndProvesThatThereIsNoWayOut) {
  ScriptedCalls calls;

  ASSERT_TRUE(drop_privileges(calls, kJailed));

  EXPECT_EQ(calls.made,
            (std::vector<std::string>{"enter_jail", "setgroups", "setresgid", "setresuid",
                                      "holds_exactly", "can_regain_root", "can_leave_jail"}));
}

TEST(DropPrivileges, RefusesRootBeforeAnyCall) {
  for (const Identity& root : {Identity{"blog", 0, 7, {}}, Identity{"blog", 7, 0, {}}}) {
    ScriptedCalls calls;

    const auto dropped = drop_privileges(calls, root);

    ASSERT_FALSE(dropped);
    EXPECT_EQ(dropped.error().code, ErrorCode::RefusesToRunAsRoot);
    EXPECT_TRUE(calls.made.empty());
  }
}

class DropPrivilegesWhenOneStepFails : public testing::TestWithParam<const char*> {};

TEST_P(DropPrivilegesWhenOneStepFails, StopsThereAndSaysWhich) {
  ScriptedCalls calls(GetParam());

  const auto dropped = drop_privileges(calls, kJailed);

  ASSERT_FALSE(dropped);
  EXPECT_EQ(calls.made.back(), GetParam()) << "went on after a failed step";
  EXPECT_NE(to_log_line(dropped.error()).find("group 'blog'"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(EveryStep, DropPrivilegesWhenOneStepFails,
                         testing::Values("enter_jail", "setgroups", "setresgid", "setresuid",
                                         "holds_exactly", "can_regain_root", "can_leave_jail"));

/// Runs `body` in a child, because there is no way back from it.
int exit_code_of(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(DropPrivileges, ReallyGivesRootUp) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";

  const int code = exit_code_of([] {
    const Identity nobody{"blog", 65534, 65534, {12, 10, 12}};
    if (!drop_privileges(kernel_privilege_calls(), nobody)) return 1;
    if (::getuid() != 65534 || ::getegid() != 65534 || ::getgroups(0, nullptr) == 0) return 2;
    return ::setuid(0) == 0 || ::setgid(0) == 0 || ::setgroups(0, nullptr) == 0 ? 3 : 0;
  });

  EXPECT_EQ(code, 0);
}

/// In a jail of its own, as nobody; the descriptor that stays open is closed on exec by nobody.
int drop_into_jail(const std::string& jail, int keep_open) {
  for (int fd = 3; fd < 1024; ++fd) {
    if (fd != keep_open) ::close(fd);
  }
  const Identity nobody{"blog", 65534, 65534, {}, jail};
  const auto dropped = drop_privileges(kernel_privilege_calls(), nobody);
  if (!dropped) return dropped.error().code == ErrorCode::PrivilegesSurvivedDrop ? 2 : 1;
  return ::access("/etc/passwd", F_OK) == 0 ? 3 : 0;
}

TEST(DropPrivileges, ReallyEntersTheJail) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  char jail[] = "/tmp/wsgix-jail-XXXXXX";
  ASSERT_NE(::mkdtemp(jail), nullptr);
  ::chmod(jail, 0755);

  EXPECT_EQ(exit_code_of([&] { return drop_into_jail(jail, -1); }), 0);
  EXPECT_EQ(exit_code_of([&] { return drop_into_jail("/nonexistent", -1); }), 1);

  ::rmdir(jail);
}

TEST(DropPrivileges, NoticesAnOpenFolderThatLeadsOutOfTheJail) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  char jail[] = "/tmp/wsgix-jail-XXXXXX";
  ASSERT_NE(::mkdtemp(jail), nullptr);

  const int code =
      exit_code_of([&] { return drop_into_jail(jail, ::open("/", O_RDONLY | O_DIRECTORY)); });

  EXPECT_EQ(code, 2);
  ::rmdir(jail);
}

TEST(DropPrivileges, NoticesAGroupThatWasNotAskedFor) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const gid_t extra = 10;

  const int code = exit_code_of([&] {
    if (::setgroups(1, &extra) != 0) return 1;
    return kernel_privilege_calls().holds_exactly({"blog", 0, 0, {}}) ? 2 : 0;
  });

  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace wsgix::os
