// SPDX-License-Identifier: Apache-2.0
// The program wsgix-host as httpd would start it, without httpd and without Python: no runtime
// library is where its settings say, so its workers answer every request with that cause.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "wsgix/channel/channel.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/config/host_descriptors.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/listener.hpp"
#include "wsgix/os/sealed_memory.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix {
namespace {

std::string host_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "wsgix-host";
}

std::string contents_of(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

class Host : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(host_program())) GTEST_SKIP() << "wsgix-host is not built";
    char name[] = "/tmp/wsgix-host-test-XXXXXX";
    folder_ = ::mkdtemp(name);
    settings_.daemon.name = "shop";
    settings_.daemon.processes = 2;
    settings_.daemon.threads = 2;
    settings_.daemon.shutdown_timeout = seconds(5);
    settings_.token = std::string(wire::kTokenBytes, 'k');
    settings_.peer_uid = ::geteuid();
    settings_.log_level = 7;
    settings_.runtime_directory = "/nonexistent";
    settings_.default_python = "libnothing.so";
    settings_.started_as_root = ::geteuid() == 0;
    settings_.uid = settings_.started_as_root ? 65534 : ::geteuid();
    settings_.gid = settings_.started_as_root ? 65534 : ::getegid();
    settings_.supplementary_gids = {10, 12};
    board_fd_ = std::move(*scoreboard::create());
    board_.emplace(std::move(*scoreboard::map(board_fd_.get())));
    lifeline_ = std::move(*os::make_pipe());
    retire_ = std::move(*os::make_message_pair());
    predecessor_ = std::move(*os::make_pipe());
    no_predecessor_ = UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    listener_ = std::move(*os::listen_on(socket(), 100, std::nullopt));
  }
  void TearDown() override {
    host_ = os::Child();
    lifeline_.write_end.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  std::string socket() const { return folder_ + "/shop.sock"; }
  std::string log() const { return contents_of(folder_ + "/log"); }

  UniqueFd encoded_settings() const {
    std::vector<wire::FieldView> views;
    const auto fields = config::to_fields(settings_);
    for (const auto& [name, value] : fields) views.push_back({name, value});
    wire::Bytes bytes;
    EXPECT_TRUE(wire::encode_fields(views, bytes));
    return std::move(*os::sealed_memory("settings", bytes));
  }

  void start() {
    const UniqueFd settings = encoded_settings();
    const UniqueFd log_file(
        ::open((folder_ + "/log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    const int handover = has_predecessor_ ? predecessor_.write_end.get() : no_predecessor_.get();
    int wanted[config::kHostDescriptors];
    std::fill(std::begin(wanted), std::end(wanted), -1);
    wanted[config::kOutput] = wanted[config::kErrorLog] = log_file.get();
    wanted[config::kSettings] = settings.get();
    wanted[config::kListener] = listener_.get();
    wanted[config::kScoreboard] = board_fd_.get();
    wanted[config::kLifeline] = lifeline_.read_end.get();
    wanted[config::kRetire] = retire_.one.get();
    wanted[config::kHandover] = handover;
    auto child = os::fork_child();
    ASSERT_TRUE(child);
    if (child->pid() == 0) {
      for (int& source : wanted) source = ::fcntl(source, F_DUPFD, 100);
      for (int target = 0; target < config::kHostDescriptors; ++target) {
        if (wanted[target] >= 0) ::dup2(wanted[target], target);
      }
      ::execl(host_program().c_str(), "wsgix-host                                          ",
              "--serve", nullptr);
      ::_exit(127);
    }
    host_ = std::move(*child);
  }

  bool eventually(const std::function<bool()>& holds) {
    for (const Deadline deadline = after(seconds(15)); Clock::now() < deadline;) {
      if (holds()) return true;
      ::poll(nullptr, 0, 5);
    }
    return false;
  }
  void await_ready() {
    ASSERT_TRUE(eventually([&] { return (*board_)->ready_workers.load() == 2; })) << log();
  }
  std::vector<pid_t> workers() const {
    std::vector<pid_t> pids;
    for (const auto& slot : (*board_)->workers) {
      if (slot.state.load() == scoreboard::WorkerState::Ready) {
        pids.push_back(static_cast<pid_t>(slot.pid.load()));
      }
    }
    return pids;
  }
  static bool is_gone(pid_t pid) {
    const std::string status = contents_of("/proc/" + std::to_string(pid) + "/stat");
    return status.empty() || status.find(") Z ") != std::string::npos;
  }
  int exit_status() {
    std::optional<int> status;
    EXPECT_TRUE(eventually([&] { return (status = host_.reap()).has_value(); })) << log();
    return status.value_or(-1);
  }
  wire::FrameType ask() {
    auto socket_fd = channel::connect_to(socket());
    if (!socket_fd) return wire::FrameType::Hello;
    channel::Channel channel(std::move(*socket_fd));
    (void)channel.queue(wire::FrameType::Hello, wire::Hello{settings_.token});
    channel.begin_request(1);
    (void)channel.queue(wire::FrameType::RequestHead, wire::RequestHead{});
    (void)channel.flush(after(seconds(10)));
    const auto welcome = channel.receive(after(seconds(10)));
    const auto answer = welcome ? channel.receive(after(seconds(10))) : welcome;
    return answer ? answer->type : wire::FrameType::Hello;
  }

  std::string folder_;
  config::HostSettings settings_;
  UniqueFd board_fd_;
  std::optional<scoreboard::Mapping> board_;
  os::Pipe lifeline_;
  os::SocketPair retire_;
  bool has_predecessor_ = false;
  os::Pipe predecessor_;  ///< what its retire pipe would be
  UniqueFd no_predecessor_;
  UniqueFd listener_;
  os::Child host_;
};

TEST_F(Host, AnswersThroughItsWorkersAndEndsOnSigterm) {
  start();
  await_ready();

  EXPECT_EQ(ask(), wire::FrameType::Failure);
  EXPECT_TRUE(host_.signal(SIGTERM));

  EXPECT_EQ(exit_status(), 0);
  EXPECT_NE(log().find("2 of 2 workers are ready"), std::string::npos) << log();
  EXPECT_EQ(log().find("WX2008"), std::string::npos) << log();
  EXPECT_EQ((*board_)->ready_workers.load(), 0u);
}

TEST_F(Host, RunsUnderItsAccountAndTitle) {
  settings_.daemon.display_name = "%{GROUP}";
  settings_.daemon.umask = 027;
  settings_.daemon.home = "/";
  settings_.daemon.lang = "C.UTF-8";
  start();
  await_ready();

  for (const pid_t pid : workers()) {
    const std::string proc = "/proc/" + std::to_string(pid);
    const std::string status = contents_of(proc + "/status");
    const std::string uid = std::to_string(settings_.uid);
    EXPECT_NE(status.find("Uid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid),
              std::string::npos);
    EXPECT_NE(status.find("Umask:\t0027"), std::string::npos);
    EXPECT_EQ(contents_of(proc + "/cmdline").c_str(), std::string("(wsgi:shop)"));
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), "/");
  }
  const std::string supervisor = contents_of("/proc/" + std::to_string(host_.pid()) + "/cmdline");
  EXPECT_STREQ(supervisor.c_str(), "wsgix: shop supervisor");
}

TEST_F(Host, ReplacesAKilledWorkerAndSaysWhatKilledIt) {
  start();
  await_ready();
  const pid_t victim = workers().front();

  ::kill(victim, SIGKILL);

  EXPECT_TRUE(eventually([&] {
    const auto now = workers();
    return now.size() == 2 && std::find(now.begin(), now.end(), victim) == now.end();
  }));
  EXPECT_EQ(ask(), wire::FrameType::Failure);
  const auto death = scoreboard::find_death(**board_, static_cast<std::uint32_t>(victim));
  ASSERT_TRUE(death);
  EXPECT_EQ(death->wait_status, SIGKILL);
  EXPECT_EQ(death->reason, EndReason::None);
  EXPECT_NE(log().find("WX2008: group 'shop': worker " + std::to_string(victim) +
                       " (ready) was killed by signal 9 (SIGKILL)"),
            std::string::npos)
      << log();
}

TEST_F(Host, EndsWithEverybodyWhenHttpdIsGone) {
  start();
  await_ready();
  const auto pids = workers();

  const auto began = Clock::now();
  lifeline_.write_end.reset();

  (void)exit_status();
  for (const pid_t pid : pids) EXPECT_TRUE(eventually([&] { return is_gone(pid); }));
  EXPECT_LT(Clock::now() - began, seconds(1));
}

TEST_F(Host, WorkersFollowASupervisorThatWasKilled) {
  start();
  await_ready();
  const auto pids = workers();

  host_.signal(SIGKILL);

  for (const pid_t pid : pids) EXPECT_TRUE(eventually([&] { return is_gone(pid); }));
}

TEST_F(Host, RetiresWhenItsSuccessorIsReady) {
  start();
  await_ready();

  ASSERT_EQ(::write(retire_.other.get(), "x", 1), 1);

  EXPECT_EQ(exit_status(), 0);
  EXPECT_NE(log().find("replaced"), std::string::npos) << log();
}

TEST_F(Host, ThatIsRetiredBeforeItWasReadyRetiresItsPredecessorFirst) {
  has_predecessor_ = true;
  settings_.start_delay_ms = 50;
  start();

  ASSERT_EQ(::write(retire_.other.get(), "x", 1), 1);

  EXPECT_EQ(exit_status(), 0);
  char value = 0;
  EXPECT_EQ(::read(predecessor_.read_end.get(), &value, 1), 1) << log();
  EXPECT_EQ(log().find("workers are ready"), std::string::npos) << log();
}

TEST_F(Host, ReplacesAllWorkersOnRequest) {
  start();
  await_ready();
  const auto before = workers();

  host_.signal(SIGUSR1);

  EXPECT_TRUE(eventually([&] {
    const auto now = workers();
    return now.size() == 2 && std::none_of(before.begin(), before.end(), [&](pid_t old) {
             return std::find(now.begin(), now.end(), old) != now.end();
           });
  }));
  EXPECT_EQ(log().find("WX2008"), std::string::npos) << log();
}

TEST_F(Host, AWorkerThatIsToldToEndIsReplacedWithoutAnErrorLine) {
  start();
  await_ready();
  const pid_t old = workers().front();

  ::kill(old, SIGTERM);

  EXPECT_TRUE(eventually([&] { return is_gone(old) && workers().size() == 2; }));
  EXPECT_EQ(log().find("WX2008"), std::string::npos) << log();
}

TEST_F(Host, RefusesToRunAsRoot) {
  settings_.uid = 0;
  settings_.started_as_root = true;
  start();

  const int status = exit_status();

  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 4) << status;
  EXPECT_NE(log().find("WX2001"), std::string::npos) << log();
}

TEST_F(Host, ExplainsAHomeItCannotUse) {
  settings_.daemon.home = "/nonexistent";
  start();

  const int status = exit_status();

  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 4) << status;
  EXPECT_NE(log().find("WX2006: group 'shop': home=/nonexistent"), std::string::npos) << log();
}

}  // namespace
}  // namespace wsgix
