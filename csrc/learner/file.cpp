#include "learner/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

namespace streamdl::file {
namespace {

// One call never moves more than this (Linux stops at 2 GiB anyway).
constexpr size_t kMaxTransfer = size_t{1} << 30;

// A call that a signal interrupted before it did anything is made again.
template <class Call>
auto retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

Status fail(Error& error, Status status, int number, const char* what, const std::string& path, const char* reason) {
  error.status = status;
  error.number = number;
  std::snprintf(error.message, sizeof error.message, "%s \"%.300s\": %s", what, path.c_str(), reason);
  return status;
}

// strerror_r() has two forms: POSIX fills the buffer, GNU returns a text.
[[maybe_unused]] const char* error_text(int, const char* buffer) { return buffer; }
[[maybe_unused]] const char* error_text(const char* text, const char*) { return text; }

Status fail_call(Error& error, const char* call, const std::string& path) {
  const int number = errno;
  char buffer[128] = "";
  const char* text = error_text(strerror_r(number, buffer, sizeof buffer), buffer);
  return fail(error, Status::system_call, number, call, path, text);
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool write_all(const SystemCalls& calls, int fd, const void* data, size_t bytes) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = retry([&] { return calls.write(fd, p, std::min(bytes, kMaxTransfer)); });
    if (n < 0) return false;
    if (n == 0) return errno = EIO, false;  // never for a file; would loop for ever
    p += n, bytes -= static_cast<size_t>(n);
  }
  return true;
}

// File systems that cannot do a thing answer with one of these.
bool is_unsupported(int number) {
  return number == EOPNOTSUPP || number == ENOSYS || number == EINVAL || number == ENOLCK;
}

}  // namespace

const SystemCalls& system_calls() {
  static const SystemCalls calls = {
      .open = [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); },
      .close = ::close,
      .read = ::read,
      .write = ::write,
      .fsync = ::fsync,
      .ftruncate = ::ftruncate,
      .flock = ::flock,
      .fstat = [](int fd, struct stat* status) { return ::fstat(fd, status); },
      .stat = [](const char* path, struct stat* status) { return ::stat(path, status); },
      .link = ::link,
      .rename = ::rename,
      .unlink = ::unlink,
  };
  return calls;
}

//---------------------------------------------------------------------------- write

AtomicFile::AtomicFile(std::string path, const SystemCalls& calls)
    : calls_(calls),
      path_(std::move(path)),
      temporary_(path_ + ".tmp"),
      previous_(path_ + ".previous"),
      kept_(path_ + ".previous.tmp") {}

AtomicFile::~AtomicFile() { discard(); }

// The temporary is removed only when it certainly is ours, never from under another writer.
void AtomicFile::discard() {
  if (fd_ < 0) return;
  Error ignored;
  if (own_temporary(ignored) == Status::ok) retry([&] { return calls_.unlink(temporary_.c_str()); });
  calls_.close(fd_);
  fd_ = -1;
}

Status AtomicFile::open(Error& error) {
  error = Error();
  // Whoever wrote the temporary may have renamed it between our open and our lock: then try again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    fd_ = retry([&] { return calls_.open(temporary_.c_str(), flags, 0666); });
    if (fd_ < 0) return fail_call(error, "open", temporary_);
    if (own_temporary(error) == Status::ok) {
      if (retry([&] { return calls_.ftruncate(fd_, 0); }) == 0) return Status::ok;
      fail_call(error, "ftruncate", temporary_);
    }
    discard();
    if (error.status != Status::ok) return error.status;
  }
  return fail(error, Status::busy, 0, "save", path_, "others keep writing this file");
}

// Locks the open temporary and looks whether it still has its name. Busy without an error: it has
// not. A lock goes with its process, however that ends; where the file system has no locks, do
// without.
Status AtomicFile::own_temporary(Error& error) {
  struct stat ours, named;
  if (retry([&] { return calls_.flock(fd_, LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(error, Status::busy, 0, "save", path_, "somebody else is writing this file now");
    if (!is_unsupported(errno)) return fail_call(error, "flock", temporary_);
  }
  if (retry([&] { return calls_.fstat(fd_, &ours); }) != 0) return fail_call(error, "fstat", temporary_);
  if (!S_ISREG(ours.st_mode)) return fail(error, Status::not_a_file, 0, "save", temporary_, "not a regular file");
  if (retry([&] { return calls_.stat(temporary_.c_str(), &named); }) != 0)
    return errno == ENOENT ? Status::busy : fail_call(error, "stat", temporary_);
  const bool same = named.st_ino == ours.st_ino && named.st_dev == ours.st_dev;
  return same ? Status::ok : Status::busy;
}

Status AtomicFile::write(const void* data, size_t bytes, Error& error) {
  error = Error();
  if (fd_ < 0) return fail(error, Status::system_call, EBADF, "write", path_, "the file is not open");
  if (write_all(calls_, fd_, data, bytes)) return Status::ok;
  fail_call(error, "write", temporary_);
  discard();
  return error.status;
}

Status AtomicFile::commit(Error& error) {
  error = Error();
  if (fd_ < 0) return fail(error, Status::system_call, EBADF, "commit", path_, "the file is not open");
  const std::string folder = folder_of(path_);
  // Opened first, so that a folder that cannot be opened is met before anything is renamed.
  const int folder_fd = retry([&] { return calls_.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  if (folder_fd < 0) fail_call(error, "open", folder);
  else if (retry([&] { return calls_.fsync(fd_); }) != 0) fail_call(error, "fsync", temporary_);
  else if (keep_previous(error) != Status::ok)
    ;  // reported
  else if (retry([&] { return calls_.rename(temporary_.c_str(), path_.c_str()); }) != 0)
    fail_call(error, "rename", temporary_);
  if (error.status != Status::ok) {
    if (folder_fd >= 0) calls_.close(folder_fd);
    discard();
    return error.status;
  }
  // From here on the new file has its name. close() cannot lose what fsync() has acknowledged.
  calls_.close(fd_);
  fd_ = -1;
  if (retry([&] { return calls_.fsync(folder_fd); }) != 0 && !is_unsupported(errno))
    fail(error, Status::system_call, errno, "fsync", folder,
         "the new file is in place, but a power cut may bring the old one back");
  calls_.close(folder_fd);
  return error.status;
}

// Gives the present file the second name "<path>.previous"; `path` itself never stops existing.
Status AtomicFile::keep_previous(Error& error) {
  const auto link = [&] { return calls_.link(path_.c_str(), kept_.c_str()); };
  int result = retry(link);
  if (result != 0 && errno == EEXIST) {  // left by a kill
    retry([&] { return calls_.unlink(kept_.c_str()); });
    result = retry(link);
  }
  if (result != 0 && errno == ENOENT) return Status::ok;  // no file yet
  // No hard links here, or none allowed on this file, or too many: copy.
  if (result != 0 && (is_unsupported(errno) || errno == EPERM || errno == EMLINK)) {
    if (copy(path_, kept_, error) != Status::ok) {
      retry([&] { return calls_.unlink(kept_.c_str()); });
      return error.status;
    }
  } else if (result != 0) {
    return fail_call(error, "link", path_);
  }
  if (retry([&] { return calls_.rename(kept_.c_str(), previous_.c_str()); }) != 0) fail_call(error, "rename", kept_);
  // rename() leaves both names when they already are the same file, as after a kill between the two
  // renames; on an error, too, the name has to go. As a rule it is gone and unlink() says ENOENT.
  retry([&] { return calls_.unlink(kept_.c_str()); });
  return error.status;
}

Status AtomicFile::copy(const std::string& from, const std::string& to, Error& error) {
  Bytes bytes;
  if (read(from, bytes, error, calls_) != Status::ok) return error.status;
  // Never truncate: a leftover of this name may be a second name of the very file we copy.
  retry([&] { return calls_.unlink(to.c_str()); });
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  const int fd = retry([&] { return calls_.open(to.c_str(), flags, 0666); });
  if (fd < 0) return fail_call(error, "open", to);
  if (!write_all(calls_, fd, bytes.data.get(), bytes.size)) fail_call(error, "write", to);
  else if (retry([&] { return calls_.fsync(fd); }) != 0) fail_call(error, "fsync", to);
  calls_.close(fd);
  return error.status;
}

//---------------------------------------------------------------------------- read

Status read(const std::string& path, Bytes& bytes, Error& error, const SystemCalls& calls) {
  error = Error();
  bytes = Bytes();
  const int fd = retry([&] { return calls.open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0); });
  if (fd < 0) return fail_call(error, "open", path);
  struct stat status;
  if (retry([&] { return calls.fstat(fd, &status); }) != 0) fail_call(error, "fstat", path);
  else if (!S_ISREG(status.st_mode)) fail(error, Status::not_a_file, 0, "read", path, "not a regular file");
  if (error.status == Status::ok) {
    const size_t size = static_cast<size_t>(status.st_size);
    bytes.data.reset(new (std::nothrow) uint8_t[size]);
    if (!bytes.data) fail(error, Status::out_of_memory, 0, "read", path, "not enough memory");
    while (error.status == Status::ok && bytes.size < size) {
      const size_t wanted = std::min(size - bytes.size, kMaxTransfer);
      const ssize_t n = retry([&] { return calls.read(fd, bytes.data.get() + bytes.size, wanted); });
      if (n < 0) fail_call(error, "read", path);
      if (n <= 0) break;  // the end came early: somebody shortened the file
      bytes.size += static_cast<size_t>(n);
    }
  }
  calls.close(fd);
  if (error.status != Status::ok) bytes = Bytes();
  return error.status;
}

}  // namespace streamdl::file
