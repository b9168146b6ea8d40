// A saved file is replaced whole, its predecessor is kept, and no second writer gets between.
//
//   g++ -std=c++20 -O2 -Icsrc -Itests/csrc tests/csrc/learner/test_file.cpp csrc/learner/file.cpp
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "check.h"
#include "learner/file.h"
#include "learner/folder.h"

using namespace streamdl::file;

namespace {

Status save(const std::string& path, const std::string& content, Error& error) {
  AtomicFile file(path);
  const size_t half = content.size() / 2;
  if (file.open(error) != Status::ok) return error.status;
  if (file.write(content.data(), half, error) != Status::ok) return error.status;
  if (file.write(content.data() + half, content.size() - half, error) != Status::ok) return error.status;
  return file.commit(error);
}

void save_and_read() {
  const Folder folder;
  Error error;
  CHECK_EQUAL(save(folder / "a", "one", error), Status::ok);
  CHECK(folder.names() == std::set<std::string>{"a"});
  CHECK_EQUAL(save(folder / "a", "two", error), Status::ok);
  CHECK_EQUAL(save(folder / "a", "three", error), Status::ok);
  CHECK_EQUAL(folder.content("a"), "three");
  CHECK_EQUAL(folder.content("a.previous"), "two");
  CHECK((folder.names() == std::set<std::string>{"a", "a.previous"}));

  Bytes bytes;
  CHECK_EQUAL(read(folder / "a", bytes, error), Status::ok);
  CHECK_EQUAL(bytes.size, 5u);
  CHECK(std::memcmp(bytes.data.get(), "three", 5) == 0);
  CHECK_EQUAL(save(folder / "empty", "", error), Status::ok);
  CHECK_EQUAL(read(folder / "empty", bytes, error), Status::ok);
  CHECK_EQUAL(bytes.size, 0u);

  // A relative path without a folder in it.
  const std::string here = folder / "";
  CHECK_EQUAL(chdir(here.c_str()), 0);
  CHECK_EQUAL(save("plain", "x", error), Status::ok);
  CHECK_EQUAL(folder.content("plain"), "x");
  CHECK_EQUAL(chdir("/"), 0);
}

// What is not there, or is not a file, is an error that names the call, the path and the reason.
void errors_are_typed() {
  const Folder folder;
  Error error;
  Bytes bytes;
  CHECK_EQUAL(read(folder / "missing", bytes, error), Status::system_call);
  CHECK_EQUAL(error.number, ENOENT);
  CHECK_EQUAL(std::string(error.message), "open \"" + (folder / "missing") + "\": " + std::strerror(ENOENT));
  CHECK_EQUAL(read(folder / "", bytes, error), Status::not_a_file);
  CHECK_EQUAL(save(folder / "no/folder", "x", error), Status::system_call);
  CHECK_EQUAL(error.number, ENOENT);

  // Opening a pipe that nobody holds must neither wait nor succeed.
  CHECK_EQUAL(mkfifo((folder / "pipe").c_str(), 0600), 0);
  CHECK_EQUAL(read(folder / "pipe", bytes, error), Status::not_a_file);
  CHECK_EQUAL(mkfifo((folder / "b.tmp").c_str(), 0600), 0);
  CHECK(save(folder / "b", "x", error) != Status::ok);

  // A folder where the file should be: nothing is lost, nothing is left.
  CHECK_EQUAL(mkdir((folder / "d").c_str(), 0700), 0);
  CHECK(save(folder / "d", "x", error) != Status::ok);
  CHECK((folder.names() == std::set<std::string>{"b.tmp", "d", "pipe"}));
  AtomicFile unopened(folder / "e");
  CHECK_EQUAL(unopened.write("x", 1, error), Status::system_call);
  CHECK_EQUAL(unopened.commit(error), Status::system_call);
}

void without_commit_nothing_happens() {
  const Folder folder;
  folder.put("a", "old");
  Error error;
  {
    AtomicFile file(folder / "a");
    CHECK_EQUAL(file.open(error), Status::ok);
    CHECK_EQUAL(file.write("new", 3, error), Status::ok);
    CHECK((folder.names() == std::set<std::string>{"a", "a.tmp"}));
  }
  CHECK(folder.names() == std::set<std::string>{"a"});
  CHECK_EQUAL(folder.content("a"), "old");
}

void two_writers() {
  const Folder folder;
  Error error;
  AtomicFile first(folder / "a");
  CHECK_EQUAL(first.open(error), Status::ok);
  CHECK_EQUAL(save(folder / "a", "second", error), Status::busy);
  CHECK_EQUAL(first.write("first", 5, error), Status::ok);
  CHECK_EQUAL(first.commit(error), Status::ok);
  CHECK_EQUAL(folder.content("a"), "first");
  CHECK(folder.names() == std::set<std::string>{"a"});
}

// What a kill can leave behind is used up by the next save.
void leftovers() {
  const Folder folder;
  Error error;
  folder.put("a", "old");
  folder.put("a.tmp", "a longer half-written text");
  folder.put("a.previous.tmp", "x");
  CHECK_EQUAL(save(folder / "a", "new", error), Status::ok);
  CHECK_EQUAL(folder.content("a"), "new");
  CHECK_EQUAL(folder.content("a.previous"), "old");
  CHECK((folder.names() == std::set<std::string>{"a", "a.previous"}));

  // Killed between the two renames: "a" and "a.previous" are one file.
  unlink((folder / "a.previous").c_str());
  CHECK_EQUAL(link((folder / "a").c_str(), (folder / "a.previous").c_str()), 0);
  CHECK_EQUAL(save(folder / "a", "newer", error), Status::ok);
  CHECK_EQUAL(folder.content("a.previous"), "new");
  CHECK((folder.names() == std::set<std::string>{"a", "a.previous"}));
}

// Kills a saving child at many instants: the file is always whole and never older than what the
// child had acknowledged through the pipe.
void kill_while_saving() {
  const Folder folder;
  const auto content = [](int n) { return std::string(40000, static_cast<char>('a' + n % 26)) + std::to_string(n); };
  for (int kill_after = 0; kill_after < 60; ++kill_after) {
    int ends[2];
    if (!CHECK_EQUAL(pipe(ends), 0)) return;
    const pid_t child = fork();
    if (child == 0) {
      Error error;
      for (int n = 0;; ++n) {
        if (save(folder / "a", content(n), error) != Status::ok) _exit(1);
        if (write(ends[1], &n, sizeof n) != sizeof n) _exit(1);
      }
    }
    close(ends[1]);
    int n = -1;
    if (!CHECK_EQUAL(::read(ends[0], &n, sizeof n), static_cast<ssize_t>(sizeof n))) return;
    usleep(static_cast<useconds_t>(kill_after * 137 % 4000));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    while (::read(ends[0], &n, sizeof n) == sizeof n) {
    }
    close(ends[0]);
    const std::string found = folder.content("a");
    CHECK(found == content(n) || found == content(n + 1));
  }
  Error error;
  CHECK_EQUAL(save(folder / "a", "end", error), Status::ok);
  CHECK((folder.names() == std::set<std::string>{"a", "a.previous"}));
}

}  // namespace

int main() {
  save_and_read();
  errors_are_typed();
  without_commit_nothing_happens();
  two_writers();
  leftovers();
  kill_while_saving();
  return check_result();
}
