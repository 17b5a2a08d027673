// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/script_ref.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace wsgix::wsgi {
namespace {

const ScriptRef kScript{"/srv/a b.wsgi",          "host|/app", "application",
                        ScriptReloading::Rolling, true,        1'700'000'000'123'456};

std::string encoded(const ScriptRef& script) {
  std::string bytes;
  encode(script, bytes);
  return bytes;
}

TEST(ScriptRef, SurvivesARoundTrip) {
  for (const auto reloading :
       {ScriptReloading::Off, ScriptReloading::On, ScriptReloading::Rolling}) {
    for (const bool by_request : {false, true}) {
      ScriptRef script = kScript;
      script.reloading = reloading;
      script.named_by_request = by_request;
      EXPECT_EQ(decode_script(encoded(script)), script);
    }
  }
  EXPECT_EQ(decode_script(encoded(ScriptRef{})), ScriptRef{});
  const ScriptRef odd{std::string_view("\0\xff", 2), "\n", "", ScriptReloading::On, false, 1};
  EXPECT_EQ(decode_script(encoded(odd)), odd);
}

TEST(ScriptRef, IsAppendedAndTakenFromBetweenOtherBytes) {
  std::string bytes = "before";
  encode(kScript, bytes);
  bytes += "after";
  ByteReader reader(std::string_view(bytes).substr(6));

  EXPECT_EQ(take_script(reader), kScript);

  EXPECT_EQ(reader.remaining(), 5u);
}

TEST(ScriptRef, RefusesEveryCutAndWhatIsLeftOver) {
  const std::string whole = encoded(kScript);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(decode_script(whole.substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(decode_script(whole + '\0'), std::nullopt);
}

TEST(ScriptRef, RefusesNumbersThatNobodyWrites) {
  for (const auto& [at, byte] : std::vector<std::pair<std::size_t, char>>{
           {0, '\3'}, {0, '\xff'}, {1, '\2'}, {2, '\x80'}, {10, '\xff'}}) {
    std::string bytes = encoded(kScript);
    bytes[at] = byte;
    EXPECT_EQ(decode_script(bytes), std::nullopt) << at;
  }
}

TEST(ScriptRef, IsTheSameScriptHoweverItIsReloadedAndWhenever) {
  ScriptRef other = kScript;
  other.reloading = ScriptReloading::Off;
  other.named_by_request = false;
  other.modified_us = 1;
  EXPECT_TRUE(is_same_script(kScript, other));
  for (auto part : {&ScriptRef::path, &ScriptRef::application_group, &ScriptRef::callable}) {
    ScriptRef another = kScript;
    another.*part = "another";
    EXPECT_FALSE(is_same_script(kScript, another));
  }
}

TEST(ScriptRef, AsConfiguredKeepsItsNamesAndItsReloading) {
  const ScriptRef configured = as_configured(kScript);

  EXPECT_TRUE(is_same_script(configured, kScript));
  EXPECT_EQ(configured.reloading, kScript.reloading);
  EXPECT_EQ(configured.modified_us, 0);
  EXPECT_FALSE(configured.named_by_request);
}

TEST(ScriptRef, OwnsItsTextsAndLendsThem) {
  const OwnedScriptRef kept = owned(kScript);
  const ScriptRef lent = kept;

  EXPECT_EQ(lent, kScript);
  EXPECT_EQ(lent.path.data(), kept.path.data());
}

}  // namespace
}  // namespace wsgix::wsgi
