#include "learner/state.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace streamdl {

namespace {
constexpr size_t kHugePage = (size_t)2 << 20;
}

// Large blocks ask for huge pages: a sweep over rows of weights would else miss the page tables' cache.
Block::Block(size_t bytes) : bytes_(bytes) {
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const size_t room = (bytes + alignment) / alignment * alignment;
  data_ = static_cast<std::byte*>(std::aligned_alloc(alignment, room));
  if (!data_) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (bytes >= kHugePage) madvise(data_, room, MADV_HUGEPAGE);
#endif
  std::memset(data_, 0, room);
}

Block::~Block() { std::free(data_); }

}  // namespace streamdl
