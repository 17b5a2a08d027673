// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "wsgix/runtime/library.hpp"

namespace wsgix::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefault = "libpython3.11.so.1.0";

class ChoosePython : public testing::Test {
 protected:
  ChoosePython() {
    std::string pattern = (fs::temp_directory_path() / "wsgix-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    root_ = fs::canonical(root_).string();
    ::chmod(root_.c_str(), 0755);
  }
  ~ChoosePython() override { fs::remove_all(root_); }

  std::string write(const std::string& name, const std::string& text = "") {
    const fs::path path = fs::path(root_) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  std::string environment(const std::string& text) {
    write("venv/pyvenv.cfg", text);
    return root_ + "/venv";
  }
  std::string base_with_library(const std::string& version) {
    write("base/bin/python3");
    write("base/lib/libpython" + version + ".so.1.0");
    write("base/lib/python" + version + "/encodings/__init__.py");
    return root_ + "/base";
  }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

TEST_F(ChoosePython, WithoutAHomeIsTheDefaultLibrary) {
  const auto choice = choose_python("", kDefault);

  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->libpython, kDefault);
  EXPECT_EQ(choice->version, "3.11");
  EXPECT_EQ(choice->program, "");
  EXPECT_EQ(choice->home, "");
}

TEST_F(ChoosePython, TakesTheLibraryOfTheEnvironmentsBase) {
  base_with_library("3.12");
  const auto choice =
      choose_python(environment("home = " + root() + "/base/bin\nversion = 3.12.1\n"), kDefault);

  ASSERT_TRUE(choice) << choice.error().what;
  EXPECT_EQ(choice->libpython, root() + "/base/lib/libpython3.12.so.1.0");
  EXPECT_EQ(choice->program, root() + "/venv/bin/python");
  EXPECT_EQ(choice->home, "");
  EXPECT_EQ(choice->version, "3.12");
}

TEST_F(ChoosePython, IsNotHeldUpByAPipeOrADeviceInPlaceOfTheSettings) {
  // It belongs to the application's account, and root reads it at each restart of httpd.
  fs::create_directories(root() + "/venv");
  ASSERT_EQ(::mkfifo((root() + "/venv/pyvenv.cfg").c_str(), 0644), 0);
  const auto pipe = choose_python(root() + "/venv", kDefault);
  fs::remove(root() + "/venv/pyvenv.cfg");
  fs::create_symlink("/dev/zero", root() + "/venv/pyvenv.cfg");
  const auto device = choose_python(root() + "/venv", kDefault);

  ASSERT_FALSE(pipe);
  EXPECT_EQ(pipe.error().code, ErrorCode::PythonHomeUnusable);
  ASSERT_FALSE(device);
  EXPECT_NE(device.error().what.find("not a regular file"), std::string::npos);
}

TEST_F(ChoosePython, LooksWhereDebianAndFedoraKeepLibraries) {
  for (const char* folder : {"base/lib64/", "base/lib/aarch64-linux-gnu/"}) {
    fs::remove_all(root() + "/base");
    write("base/bin/python3");
    const std::string library = write(folder + std::string("libpython3.12.so.1.0"));
    const auto choice =
        choose_python(environment("home = " + root() + "/base/bin\nversion = 3.12.1\n"), kDefault);

    ASSERT_TRUE(choice) << choice.error().what;
    EXPECT_EQ(choice->libpython, library);
  }
}

TEST_F(ChoosePython, ReadsTheVersionOfOldEnvironmentsFromTheirFolders) {
  base_with_library("3.10");
  write("venv/lib/python3.10/site-packages/x.py");
  const auto choice = choose_python(environment("home = " + root() + "/base/bin\n"), kDefault);

  ASSERT_TRUE(choice) << choice.error().what;
  EXPECT_EQ(choice->version, "3.10");
}

TEST_F(ChoosePython, SaysHowToGetALibraryThatIsNotThere) {
  write("base/bin/python3");
  const auto choice =
      choose_python(environment("home = " + root() + "/base/bin\nversion = 3.12.1\n"), kDefault);

  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, ErrorCode::PythonLibraryNotFound);
  EXPECT_NE(choice.error().remedy.find("--enable-shared"), std::string::npos);
  EXPECT_NE(choice.error().remedy.find("libpython3.12"), std::string::npos);
}

TEST_F(ChoosePython, PrefersTheDefaultsVersionInAnInstallation) {
  base_with_library("3.9");
  base_with_library("3.12");
  EXPECT_EQ(choose_python(root() + "/base", kDefault)->version, "3.12");

  base_with_library("3.11");
  const auto choice = choose_python(root() + "/base", kDefault);
  ASSERT_TRUE(choice) << choice.error().what;
  EXPECT_EQ(choice->version, "3.11");
  EXPECT_EQ(choice->home, root() + "/base");
  EXPECT_EQ(choice->program, "");
}

TEST_F(ChoosePython, InAJailTakesPathsFromInsideAndTheLibraryFromTheSystem) {
  write("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.12.4\n");
  write("python/lib/python3.13/encodings/__init__.py");
  write("python/lib/libpython3.13.so.1.0");

  const auto none = choose_jailed_python(root(), "", kDefault);
  const auto environment = choose_jailed_python(root(), "/venv", kDefault);
  const auto installation = choose_jailed_python(root(), "/python", kDefault);

  ASSERT_TRUE(none && environment && installation);
  EXPECT_EQ(none->libpython, kDefault);
  EXPECT_EQ(environment->libpython, "libpython3.12.so.1.0");
  EXPECT_EQ(environment->program, "/venv/bin/python");
  EXPECT_EQ(installation->libpython, "libpython3.13.so.1.0");
  EXPECT_EQ(installation->home, "/python");
  EXPECT_EQ(installation->program, "");
}

TEST_F(ChoosePython, InAJailNamesThePathOutsideThatIsNotThere) {
  const auto choice = choose_jailed_python(root(), "/gone", kDefault);

  ASSERT_FALSE(choice);
  EXPECT_NE(choice.error().what.find(root() + "/gone"), std::string::npos) << choice.error().what;
}

TEST_F(ChoosePython, InAJailRefusesAPathThatDoesNotBeginAtItsRoot) {
  write("base/lib/python3.11/encodings/__init__.py");

  const auto choice = choose_jailed_python(root() + "/", "base", kDefault);

  ASSERT_FALSE(choice);
  EXPECT_NE(choice.error().what.find("base is not an absolute path"), std::string::npos);
}

TEST_F(ChoosePython, TakesTwoPrefixesAsOneHome) {
  const std::string prefix = base_with_library("3.11");
  write("exec/lib/python3.11/lib-dynload/x.so");
  const std::string both = prefix + ":" + root() + "/exec";

  const auto choice = choose_python(both, kDefault);

  ASSERT_TRUE(choice) << choice.error().what;
  EXPECT_EQ(choice->home, both);
  EXPECT_EQ(choice->version, "3.11");
  EXPECT_EQ(choice->libpython, prefix + "/lib/libpython3.11.so.1.0");
}

TEST_F(ChoosePython, NamesThePrefixOfTwoThatIsNotThere) {
  const std::string prefix = base_with_library("3.11");

  const auto choice = choose_python(prefix + ":" + root() + "/gone", kDefault);

  ASSERT_FALSE(choice);
  EXPECT_NE(choice.error().what.find("/gone does not exist"), std::string::npos);
}

TEST_F(ChoosePython, TakesAFolderWithAColonInItsNameForOne) {
  write("with:colon/lib/libpython3.11.so.1.0");
  write("with:colon/lib/python3.11/encodings/__init__.py");

  const auto choice = choose_python(root() + "/with:colon", kDefault);

  ASSERT_TRUE(choice) << choice.error().what;
  EXPECT_EQ(choice->home, root() + "/with:colon");
}

TEST_F(ChoosePython, NamesThePartOfThePathThatIsWrong) {
  write("file");
  const std::pair<std::string, std::string> cases[] = {
      {root() + "/no/such", root() + "/no does not exist"},
      {root() + "/file", root() + "/file is not a directory"},
      {root() + "/file/venv", root() + "/file"},
      {root(), "neither a virtual environment"},
  };
  for (const auto& [home, text] : cases) {
    const auto choice = choose_python(home, kDefault);
    ASSERT_FALSE(choice) << home;
    EXPECT_EQ(choice.error().code, ErrorCode::PythonHomeUnusable);
    EXPECT_NE(choice.error().what.find(text), std::string::npos) << choice.error().what;
  }
}

TEST_F(ChoosePython, NamesWhatIsWrongWithAnEnvironment) {
  const std::pair<const char*, const char*> cases[] = {
      {"home = /no/such/bin\nversion = 3.12\n", "/no/such/bin is gone"},
      {"version = 3.6.1\nhome = /usr/bin\n", "is of Python 3.6"},
      {"nothing\n", "does not say which Python made it"},
  };
  for (const auto& [config, text] : cases) {
    const auto choice = choose_python(environment(config), kDefault);
    ASSERT_FALSE(choice) << config;
    EXPECT_EQ(choice.error().code, ErrorCode::PythonHomeUnusable);
    EXPECT_NE(choice.error().what.find(text), std::string::npos) << choice.error().what;
  }
}

/// A child of this test, because another account has to look.
std::string seen_by_nobody(const std::function<std::string()>& look) {
  int ends[2] = {};
  if (::pipe(ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string text = ::setgid(65534) == 0 && ::setuid(65534) == 0 ? look() : "no change";
    ::_exit(::write(ends[1], text.data(), text.size()) < 0 ? 1 : 0);
  }
  ::close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t got = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return text;
}

TEST_F(ChoosePython, SaysWhichFolderIsClosedForWhomWhereOthersAreGone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can look as another account";
  base_with_library("3.12");
  fs::create_directory(root() + "/private");
  fs::rename(root() + "/base", root() + "/private/base");
  fs::create_directory_symlink(root() + "/private/base", root() + "/link");
  ::chmod((root() + "/private").c_str(), 0700);
  for (const char* base : {"/private/base/bin", "/link/bin"}) {
    const std::string home = environment("home = " + root() + base + "\nversion = 3.12.1\n");
    const std::string text = seen_by_nobody([&] {
      const auto choice = choose_python(home, kDefault);
      return choice ? std::string("found") : choice.error().what + choice.error().remedy;
    });
    EXPECT_NE(text.find("its Python in " + root() + base + " cannot be reached: user "),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("cannot search " + root() + "/private (mode 0700, owner root)"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("gone"), std::string::npos);
  }
}

class CheckReachable : public ChoosePython {};

TEST_F(CheckReachable, NamesTheDirectoryThatIsClosed) {
  write("closed/venv/pyvenv.cfg");
  ::chmod((root() + "/closed").c_str(), 0700);
  const auto stranger = check_reachable(root() + "/closed/venv", 65534, 65534, {});
  const auto owner = check_reachable(root() + "/closed/venv", ::geteuid(), ::getegid(), {});

  ASSERT_FALSE(stranger);
  EXPECT_NE(stranger.error().what.find("cannot search " + root() + "/closed (mode 0700, owner "),
            std::string::npos)
      << stranger.error().what;
  EXPECT_TRUE(owner);
}

TEST_F(CheckReachable, CountsTheGroupsOfTheAccount) {
  write("group/venv/pyvenv.cfg");
  ::chmod((root() + "/group").c_str(), 0750);
  const std::uint32_t group = ::getegid();

  EXPECT_TRUE(check_reachable(root() + "/group/venv", 65533, group, {}));
  EXPECT_TRUE(check_reachable(root() + "/group/venv", 65533, 65533, {1, group}));
  EXPECT_FALSE(check_reachable(root() + "/group/venv", 65533, 65533, {1}));
}

TEST_F(CheckReachable, FollowsLinks) {
  write("closed/venv/pyvenv.cfg");
  fs::create_directory_symlink(root() + "/closed/venv", root() + "/link");
  ::chmod((root() + "/closed").c_str(), 0700);

  EXPECT_FALSE(check_reachable(root() + "/link", 65534, 65534, {}));
  EXPECT_FALSE(check_reachable(root() + "/missing", 65534, 65534, {}));
}

TEST(ToError, KeepsNumberTextAndRemedy) {
  const wsgix_failure failure = {5003, "it raised", "do this"};

  EXPECT_EQ(to_log_line(to_error(failure)), "WX5003: it raised. Remedy: do this");
}

}  // namespace
}  // namespace wsgix::runtime
