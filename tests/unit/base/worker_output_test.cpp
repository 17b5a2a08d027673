// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/worker_output.hpp"

#include <gtest/gtest.h>

#include <climits>
#include <vector>

#include "wsgix/base/log_text.hpp"

namespace wsgix {
namespace {

std::vector<std::string> whole_lines(OutputLines& lines) {
  std::vector<std::string> texts;
  while (auto line = lines.next()) texts.push_back(std::move(line->text));
  return texts;
}

using Texts = std::vector<std::string>;

TEST(OutputLines, EndAtANewline) {
  OutputLines lines;

  lines.add("one\n\ntwo\r\nthr");

  EXPECT_EQ(whole_lines(lines), (Texts{"one", "", "two"}));
  EXPECT_FALSE(lines.is_empty());
  lines.add("ee\n");
  EXPECT_EQ(whole_lines(lines), Texts{"three"});
  EXPECT_TRUE(lines.is_empty());
}

TEST(OutputLines, GiveTheRestOnDemand) {
  OutputLines lines;
  lines.add("half a li");
  EXPECT_FALSE(lines.next());

  EXPECT_EQ(lines.rest()->text, "half a li");

  EXPECT_FALSE(lines.rest());
  lines.add("ne\n");
  EXPECT_EQ(whole_lines(lines), Texts{"ne"});
}

TEST(OutputLines, AreOfTheLevelOfErrorsAndOfNoThread) {
  OutputLines lines;
  lines.add("text\n");

  const auto line = lines.next();

  ASSERT_TRUE(line);
  EXPECT_EQ(line->level, LogLevel::Error);
  EXPECT_EQ(line->thread, 0u);
}

TEST(OutputLines, LoseNoByteOfAnyLengthInAnyPieces) {
  std::string bytes;
  for (std::uint32_t i = 0; i < 3'000'000; ++i) {
    const char c = static_cast<char>((i >> 2) * 2654435761u >> 24);
    bytes += c == '\n' || c == '\r' ? 'x' : c;
  }
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
    const std::string_view wanted = std::string_view(bytes).substr(0, step == 1 ? 5000 : 3'000'000);
    OutputLines lines;
    std::string found;
    for (std::size_t at = 0; at < wanted.size(); at += step) {
      lines.add(wanted.substr(at, step));
      while (const auto line = lines.next()) {
        EXPECT_GT(line->text.size(), OutputLines::kMostHeld);
        found += line->text;
      }
    }
    if (const auto line = lines.rest()) found += line->text;
    EXPECT_TRUE(found == wanted) << step;
  }
}

TEST(OutputRecord, KeepsLevelThreadAndText) {
  OutputLines lines;
  lines.add(encode_output_record(LogLevel::Warning, 4711, "two\nlines\x01"));

  const auto line = lines.next();

  ASSERT_TRUE(line);
  EXPECT_EQ(line->level, LogLevel::Warning);
  EXPECT_EQ(line->thread, 4711u);
  EXPECT_EQ(line->text, "two\nlines\x01");
  EXPECT_TRUE(lines.is_empty());
}

TEST(OutputRecord, OfAPieceIsWrittenAtOnce) {
  for_each_log_piece(std::string(100000, 'x'), [](std::string_view piece) {
    EXPECT_LE(encode_output_record(LogLevel::Error, 1, piece).size(), 4096u);  // PIPE_BUF
  });
}

TEST(OutputRecord, IsFoundInTheMiddleOfALineAtEveryCut) {
  const std::string stream = "a line " + encode_output_record(LogLevel::Info, 7, "a record") +
                             encode_output_record(LogLevel::Info, 8, "") + "goes on\nnext";
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    OutputLines lines;
    lines.add(std::string_view(stream).substr(0, cut));
    Texts texts = whole_lines(lines);
    lines.add(std::string_view(stream).substr(cut));
    for (std::string& text : whole_lines(lines)) texts.push_back(std::move(text));

    EXPECT_EQ(texts, (Texts{"a record", "", "a line goes on"})) << cut;
    EXPECT_EQ(lines.rest()->text, "next");
  }
}

TEST(OutputRecord, ThatIsNoneIsText) {
  const std::string record = encode_output_record(LogLevel::Info, 7, "text");
  for (std::size_t at = 0; at < kOutputRecordHeadBytes; ++at) {
    std::string broken = record;
    broken[at] = '?';
    OutputLines lines;
    lines.add(broken + "\n");
    EXPECT_EQ(whole_lines(lines), Texts{broken}) << at;
  }
}

TEST(OutputRecord, ThatNeverEndsIsText) {
  for (std::size_t size = 1; size < kOutputRecordHeadBytes + 4; ++size) {
    const std::string begun = encode_output_record(LogLevel::Info, 7, "text").substr(0, size);
    OutputLines lines;
    lines.add(begun);
    EXPECT_FALSE(lines.next());
    EXPECT_EQ(lines.rest()->text, begun);
  }
}

TEST(OutputRecord, OfAnUnknownLevelIsOfTheLeastSerious) {
  std::string record = encode_output_record(LogLevel::Info, 7, "text");
  record[7] = 'f';
  OutputLines lines;
  lines.add(record);

  EXPECT_EQ(lines.next()->level, LogLevel::Debug);
}

}  // namespace
}  // namespace wsgix
