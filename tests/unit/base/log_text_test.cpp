// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/log_text.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wsgix {
namespace {

std::vector<std::string> pieces_of(std::string_view line) {
  std::vector<std::string> pieces;
  for_each_log_piece(line, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

/// As a reader joins them.
std::string joined(const std::vector<std::string>& pieces) {
  if (pieces.size() < 2) return pieces.empty() ? "" : pieces.front();
  const std::string mark = pieces.front().substr(pieces.front().size() - 11);
  std::string line;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    std::string_view piece = pieces[i];
    if (i > 0) {
      EXPECT_TRUE(piece.starts_with(mark));
      piece.remove_prefix(mark.size());
    }
    if (i + 1 < pieces.size()) {
      EXPECT_TRUE(piece.ends_with(mark));
      piece.remove_suffix(mark.size());
    }
    line += piece;
  }
  return line;
}

std::string repeated(std::string_view unit, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += unit;
  return text;
}

TEST(LogText, IsEscapedAsItsSizeSays) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  std::string escaped;
  append_escaped(escaped, all);

  EXPECT_EQ(escaped.size(), escaped_size(all));
  EXPECT_EQ(escaped.substr(0, 8), "\\x00\\x01");
  EXPECT_NE(escaped.find("\\b\\t\\n\\v\\x0c\\r"), std::string::npos);
  EXPECT_NE(escaped.find("[\\\\]"), std::string::npos);
}

TEST(LogPieces, LeaveAShortLineAlone) {
  EXPECT_EQ(pieces_of(""), std::vector<std::string>{""});
  EXPECT_EQ(pieces_of(std::string(3500, 'x')).size(), 1u);
}

TEST(LogPieces, LoseNoByteOfAnyText) {
  std::string bytes;
  for (std::uint32_t i = 0; i < 70000; ++i) bytes += static_cast<char>(i * i >> 3);
  for (const std::string& line :
       {std::string(20000, 'x'), std::string(3501, 'x'), repeated("\xd0\xb6", 3000),
        repeated("\\", 6000), repeated("\"00001\", ", 3000), repeated("\x80", 9000),
        repeated("\xf0\x9f\x90\x8d", 5000), std::string(5000, '\0'), bytes}) {
    const auto pieces = pieces_of(line);
    EXPECT_GT(pieces.size(), 1u);
    EXPECT_TRUE(joined(pieces) == line);
    for (const std::string& piece : pieces) EXPECT_LE(escaped_size(piece), kLogPieceBytes);
  }
}

TEST(LogPieces, EndBehindABlankOrAWholeCharacter) {
  for (const std::string& piece : pieces_of(repeated("\"00001\", ", 3000))) {
    EXPECT_TRUE(piece.ends_with(", ") || piece.find(", [+") != std::string::npos) << piece;
  }
  for (std::string piece : pieces_of("a" + repeated("\xd0\xb6", 3000))) {
    if (piece.ends_with("]")) piece.resize(piece.size() - 11);
    EXPECT_TRUE(piece.ends_with("\xb6"));
  }
}

TEST(LogPieces, AreNotSplitAgain) {
  for (const std::string& piece : pieces_of(repeated("\xd0\xb6", 3000))) {
    EXPECT_EQ(pieces_of(piece).size(), 1u);
  }
}

}  // namespace
}  // namespace wsgix
