// Everything that differs between step t and t + 1: one aligned block of memory whose size the plan knows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

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

// Aligned arrays of zeros beside the state, that live as long as their owner.
class Memory {
 public:
  template <class T>
  T* allocate(size_t count) {
    blocks_.push_back(std::make_unique<Block>(std::max<size_t>(count, 1) * sizeof(T) + 64));
    return blocks_.back()->at<T>(0);
  }

 private:
  std::vector<std::unique_ptr<Block>> blocks_;
};

}  // namespace streamdl
