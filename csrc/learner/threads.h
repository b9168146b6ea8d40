// A few threads that help one learner. Work is split so that each number is computed by one thread in the
// one order, so their number changes no bit. A helper that the machine keeps waiting is not waited for: what
// it has not begun the caller does itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace streamdl {

class Pool {
 public:
  // Part `index` of `count`; each part is called once, by the thread that takes it.
  using Task = void (*)(void* context, int index, int count);

  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int size() const { return (int)workers_.size() + 1; }
  // Runs all parts and returns when they are done. In a forked child, which has no helpers, the caller runs all.
  void run(Task task, void* context);

 private:
  // What a helper has before it. The caller opens a part; whoever takes it first runs it.
  enum Stage : uint32_t { kIdle, kOpen, kTaken, kStop };
  struct alignas(64) Part {
    std::atomic<uint32_t> stage{kIdle};
    uint32_t late = 0;  // parts in a row that the caller took instead
  };

  void work(int index);

  std::vector<std::thread> workers_;
  std::unique_ptr<Part[]> parts_;  // one per helper
  Task task_ = nullptr;
  void* context_ = nullptr;
  int forks_;
};

// The floating-point environment that results depend on: round to nearest, denormals kept, whatever the
// host process has set. Restored at the end.
class FloatingPoint {
 public:
#if defined(__x86_64__)
  FloatingPoint() : saved_(_mm_getcsr()) {
    if ((saved_ & ~kFlags) != kStandard) _mm_setcsr(kStandard);
  }
  ~FloatingPoint() {
    if ((saved_ & ~kFlags) != kStandard) _mm_setcsr(saved_);
  }

 private:
  static constexpr unsigned kStandard = 0x1f80, kFlags = 0x3f;  // what has happened, not what shall
  unsigned saved_;
#else
  FloatingPoint() {}
#endif
};

}  // namespace streamdl
