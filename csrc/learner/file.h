// Files that survive a crash: a file is replaced whole or not at all, and the one before it is
// kept.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace streamdl::file {

// The system calls that this file makes; a test replaces them to make the Nth one fail.
struct SystemCalls {
  int (*open)(const char* path, int flags, mode_t mode);
  int (*close)(int fd);
  ssize_t (*read)(int fd, void* data, size_t bytes);
  ssize_t (*write)(int fd, const void* data, size_t bytes);
  int (*fsync)(int fd);
  int (*ftruncate)(int fd, off_t bytes);
  int (*flock)(int fd, int operation);
  int (*fstat)(int fd, struct stat* status);
  int (*stat)(const char* path, struct stat* status);
  int (*link)(const char* from, const char* to);
  int (*rename)(const char* from, const char* to);
  int (*unlink)(const char* path);
};
const SystemCalls& system_calls();  // the real ones

enum class Status {
  ok,
  system_call,  // Error::number is its errno
  busy,         // another thread or process is writing this file now
  not_a_file,   // a folder, a pipe, a device
  out_of_memory,
};

// What went wrong, with which file. A fixed struct: reporting allocates nothing.
struct Error {
  Status status = Status::ok;
  int number = 0;          // errno of the system call that failed, else 0
  char message[512] = "";  // one line: call, path, reason
};

// Replaces a file atomically:
//
//   AtomicFile file(path);
//   file.open(error); file.write(data, bytes, error); ... file.commit(error);
//
// The bytes go to "<path>.tmp", are forced to the disk, and take the name `path` by one rename; the
// file that had it becomes "<path>.previous". Killed at any instant, `path` holds the old file or
// the new one, whole; a "<path>.tmp" that a kill leaves behind is used up by the next save. After
// an error `path` still holds the old file and the temporary is gone. The one exception is stated
// by the error's message: when only the last call fails, the fsync of the folder, the new file is
// in place but a power cut may bring the old one back.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path, const SystemCalls& calls = system_calls());
  ~AtomicFile();  // without a commit: as if nothing had been written
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  Status open(Error& error);
  Status write(const void* data, size_t bytes, Error& error);
  Status commit(Error& error);

 private:
  Status own_temporary(Error& error);
  Status keep_previous(Error& error);
  Status copy(const std::string& from, const std::string& to, Error& error);
  void discard();

  const SystemCalls& calls_;
  std::string path_, temporary_, previous_, kept_;
  int fd_ = -1;
};

struct Bytes {
  std::unique_ptr<uint8_t[]> data;  // 16-byte aligned
  size_t size = 0;
};

// Reads a whole regular file. It is read, not mapped: a mapped file that somebody shortens would
// kill the process. Allocates the size that the file has; bytes appended meanwhile are left out.
Status read(const std::string& path, Bytes& bytes, Error& error, const SystemCalls& calls = system_calls());

}  // namespace streamdl::file
