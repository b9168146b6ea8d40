// Everything that differs between step t and t + 1: one aligned block of memory whose size the plan knows.
#pragma once

#include <cstddef>
#include <cstdint>

namespace streamdl {

class Block {
 public:
  explicit Block(size_t bytes);  // zeroed; throws std::bad_alloc
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return bytes_; }
  template <class T>
  T* at(size_t offset) const {
    return reinterpret_cast<T*>(data_ + offset);
  }

 private:
  std::byte* data_;
  size_t bytes_;
};

}  // namespace streamdl
