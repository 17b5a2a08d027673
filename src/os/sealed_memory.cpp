// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/sealed_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace wsgix::os {
namespace {

constexpr int kSizeSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
constexpr int kSeals = kSizeSeals | F_SEAL_WRITE;

Failed failed_step(std::string_view name, const char* step, int os_errno) {
  return failed(ErrorCode::CannotShareMemory, "memory file '" + std::string(name) + "': " + step,
                os_errno);
}

Result<UniqueFd> memory_file(std::string_view name) {
  UniqueFd file(::memfd_create(std::string(name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return failed_step(name, "memfd_create", errno);
  return file;
}

}  // namespace

Result<UniqueFd> shared_memory(std::string_view name, std::size_t bytes) {
  Result<UniqueFd> file = memory_file(name);
  if (!file) return file;
  if (::ftruncate(file->get(), static_cast<off_t>(bytes)) != 0) {
    return failed_step(name, "ftruncate", errno);
  }
  if (::fcntl(file->get(), F_ADD_SEALS, kSizeSeals) != 0) return failed_step(name, "seal", errno);
  return file;
}

Result<UniqueFd> sealed_memory(std::string_view name, std::string_view bytes) {
  Result<UniqueFd> created = memory_file(name);
  if (!created) return created;
  UniqueFd& file = *created;
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count =
        ::pwrite(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failed_step(name, "write", errno);
    done += static_cast<std::size_t>(count);
  }
  if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) return failed_step(name, "seal", errno);
  return created;
}

Result<std::string> read_sealed(int fd, std::size_t limit) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return failed(ErrorCode::BadHostSettings, "memory file: look at its seals", errno);
  if ((seals & kSeals) != kSeals) {
    return failed(ErrorCode::BadHostSettings, "memory file: it is not sealed");
  }
  struct stat file {};
  if (::fstat(fd, &file) != 0)
    return failed(ErrorCode::BadHostSettings, "memory file: fstat", errno);
  if (file.st_size < 0 || static_cast<std::size_t>(file.st_size) > limit) {
    return failed(ErrorCode::BadHostSettings, "memory file: " + std::to_string(file.st_size) +
                                                  " bytes, at most " + std::to_string(limit) +
                                                  " are read");
  }

  std::string bytes(static_cast<std::size_t>(file.st_size), '\0');
  for (std::size_t done = 0; done < bytes.size();) {
    // pread: the offset is shared with whoever else holds the file.
    const ssize_t count =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failed(ErrorCode::BadHostSettings, "memory file: read", errno);
    done += static_cast<std::size_t>(count);
  }
  return bytes;
}

}  // namespace wsgix::os
