// Every system call of a save fails once, in every way: the old checkpoint stays, the error is
// typed, nothing is left behind.
//
//   g++ -std=c++20 -O2 -Icsrc -Itests/csrc tests/csrc/learner/test_failures.cpp
//   csrc/learner/file.cpp
#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <string>

#include "check.h"
#include "learner/file.h"
#include "learner/folder.h"

using namespace streamdl::file;

namespace {

constexpr int kShort = -1;  // not an errno: the call moves fewer bytes than asked

int countdown = -1;     // calls still to go before the fault; -1: no fault
int fault = 0;          // the errno to fail with, or kShort
bool hit = false;       // the fault has happened
bool harmless = false;  // ... in a call whose failure cannot lose anything: close, unlink
bool hit_last = false;  // ... in an fsync of the folder, the last call that can fail a save
bool no_links = false;  // the file system has no hard links

bool fails() {
  if (countdown < 0 || countdown-- > 0) return false;
  hit = true;
  if (fault == kShort) return false;
  errno = fault;
  return true;
}

// Bytes that this call may move: half of them in a short call.
size_t allowed(size_t bytes) {
  const bool now = countdown == -1 && hit && fault == kShort;
  return now && bytes > 1 ? bytes / 2 : bytes;
}

const SystemCalls& real = system_calls();
// clang-format off
const SystemCalls faulty = {
    .open = [](const char* path, int flags, mode_t mode) {
      return fails() ? -1 : real.open(path, flags, mode);
    },
    // Linux closes the descriptor also when close() reports an error.
    .close = [](int fd) {
      const bool failed = fails();
      harmless |= failed;
      const int number = errno, result = real.close(fd);
      return failed ? errno = number, -1 : result;
    },
    .read = [](int fd, void* data, size_t bytes) -> ssize_t {
      return fails() ? -1 : real.read(fd, data, allowed(bytes));
    },
    .write = [](int fd, const void* data, size_t bytes) -> ssize_t {
      return fails() ? -1 : real.write(fd, data, allowed(bytes));
    },
    .fsync = [](int fd) {
      if (!fails()) return real.fsync(fd);
      struct stat status;
      const int number = errno;
      hit_last = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
      return errno = number, -1;
    },
    .ftruncate = [](int fd, off_t bytes) { return fails() ? -1 : real.ftruncate(fd, bytes); },
    .flock = [](int fd, int operation) { return fails() ? -1 : real.flock(fd, operation); },
    .fstat = [](int fd, struct stat* status) { return fails() ? -1 : real.fstat(fd, status); },
    .stat = [](const char* path, struct stat* status) {
      return fails() ? -1 : real.stat(path, status);
    },
    .link = [](const char* from, const char* to) {
      if (fails()) return -1;
      return no_links ? errno = EPERM, -1 : real.link(from, to);
    },
    .rename = [](const char* from, const char* to) { return fails() ? -1 : real.rename(from, to); },
    .unlink = [](const char* path) {
      if (!fails()) return real.unlink(path);
      harmless = true;
      return -1;
    },
};
// clang-format on

Status save(const std::string& path, const std::string& content, Error& error) {
  AtomicFile file(path, faulty);
  if (file.open(error) != Status::ok) return error.status;
  for (size_t at = 0; at < content.size(); at += 100)
    if (file.write(&content[at], std::min<size_t>(100, content.size() - at), error) != Status::ok) return error.status;
  return file.commit(error);
}

std::string described(int number, int n, const char* what) {
  return "errno " + std::to_string(number) + " at call " + std::to_string(n) + ": " + what;
}

#define CHECK_CASE(condition) check_report((condition), __FILE__, __LINE__, described(number, n, #condition))

// All N for one kind of fault; returns how many calls a save makes.
int fail_every_call(int number) {
  const std::string oldest(250, 'a'), old(250, 'b'), fresh(250, 'c');
  for (int n = 0;; ++n) {
    const Folder folder;
    folder.put("x.previous", oldest);
    folder.put("x", old);
    countdown = n, fault = number, hit = harmless = hit_last = false;
    Error error;
    const Status status = save(folder / "x", fresh, error);
    countdown = -1;
    const std::string now = folder.content("x"), previous = folder.content("x.previous");
    if (number == EINTR || number == kShort || harmless || !hit) {
      // An interrupted or short call is made good.
      CHECK_CASE(status == Status::ok);
      CHECK_CASE(error.status == Status::ok && error.number == 0);
      CHECK_CASE(now == fresh);
      CHECK_CASE(previous == old);
    } else {
      CHECK_CASE(status == Status::system_call);
      CHECK_CASE(error.number == number);
      CHECK_CASE(error.message[0] != 0);
      CHECK_CASE(now == (hit_last ? fresh : old));
      CHECK_CASE(previous == (hit_last ? old : previous));
      CHECK_CASE(previous == oldest || previous == old);
    }
    CHECK_CASE((folder.names() == std::set<std::string>{"x", "x.previous"}));
    // And the next save is as if nothing had happened.
    CHECK_CASE(save(folder / "x", fresh, error) == Status::ok);
    CHECK_CASE(folder.content("x") == fresh);
    if (!hit) return n;
  }
}

int read_every_call(int number) {
  const Folder folder;
  const std::string content(1000, 'r');
  folder.put("x", content);
  for (int n = 0;; ++n) {
    countdown = n, fault = number, hit = harmless = false;
    Error error;
    Bytes bytes;
    const Status status = read(folder / "x", bytes, error, faulty);
    countdown = -1;
    if (number == EINTR || number == kShort || harmless || !hit) {
      CHECK_CASE(status == Status::ok);
      CHECK_CASE(std::string(bytes.data.get(), bytes.data.get() + bytes.size) == content);
    } else {
      CHECK_CASE(status == Status::system_call && error.number == number);
      CHECK_CASE(bytes.size == 0 && !bytes.data);
    }
    if (!hit) return n;
  }
}

}  // namespace

int main() {
  for (const int number : {EIO, ENOSPC, EINTR, kShort}) {
    for (const bool links : {true, false}) {
      no_links = !links;
      const int calls = fail_every_call(number);
      std::cout << "errno " << number << (links ? "" : ", no hard links") << ": " << calls
                << " calls of a save failed one by one\n";
      CHECK(calls >= 14);
    }
    CHECK(read_every_call(number) >= 4);
  }
  return check_result();
}
