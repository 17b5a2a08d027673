// SPDX-License-Identifier: Apache-2.0
#include "runtime/pyvenv.hpp"

#include <gtest/gtest.h>

namespace wsgix::runtime {
namespace {

TEST(Pyvenv, IsReadAsVenvWritesIt) {
  const Pyvenv found = parse_pyvenv(
      "home = /usr/bin\n"
      "include-system-site-packages = false\n"
      "version = 3.11.2\n"
      "executable = /usr/bin/python3.11\n"
      "command = /usr/bin/python3 -m venv /srv/venv\n");

  EXPECT_EQ(found.home, "/usr/bin");
  EXPECT_EQ(found.version, "3.11");
  EXPECT_EQ(found.executable, "/usr/bin/python3.11");
}

TEST(Pyvenv, IsReadAsVirtualenvWritesIt) {
  const Pyvenv found = parse_pyvenv(
      "Home=/opt/py/bin\r\n"
      "version_info = 3.12.1.final.0\r\n"
      "base-executable = /opt/py/bin/python3.12");

  EXPECT_EQ(found.home, "/opt/py/bin");
  EXPECT_EQ(found.version, "3.12");
  EXPECT_EQ(found.executable, "/opt/py/bin/python3.12");
}

TEST(Pyvenv, WithoutItsKeysLeavesThemEmpty) {
  const Pyvenv found = parse_pyvenv("# nothing\n\nhome\n=x\nversion = new\n");

  EXPECT_EQ(found.home, "");
  EXPECT_EQ(found.version, "");
}

TEST(MinorVersion, NeedsTwoNumbers) {
  EXPECT_EQ(minor_version_of("3.9"), "3.9");
  EXPECT_EQ(minor_version_of("3.13.0rc1"), "3.13");
  for (const char* wrong : {"", "3", "3.", ".9", "x3.9", "3.x"})
    EXPECT_EQ(minor_version_of(wrong), "") << wrong;
}

TEST(LibraryName, CarriesItsVersion) {
  EXPECT_EQ(version_in_library_name("libpython3.11.so.1.0"), "3.11");
  EXPECT_EQ(version_in_library_name("/opt/lib/libpython3.9.so"), "3.9");
  EXPECT_EQ(version_in_library_name("libpython3.12.dylib"), "3.12");
  EXPECT_EQ(version_in_library_name("libc.so.6"), "");
}

}  // namespace
}  // namespace wsgix::runtime
