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

// The floating-point environment that results depend on, whatever the host process has set: round to nearest, and numbers
// below the smallest normal one are 0, since many processors need a hundred cycles for an operation on one, and whatever
// decays comes by there. Restored at the end.
class FloatingPoint {
 public:
  FloatingPoint() : saved_(read()) {
    if ((saved_ & ~kFlags) != kOurs) write(kOurs);
  }
  ~FloatingPoint() {
    if ((saved_ & ~kFlags) != kOurs) write(saved_);
  }
  FloatingPoint(const FloatingPoint&) = delete;
  FloatingPoint& operator=(const FloatingPoint&) = delete;

 private:
#if defined(__x86_64__)
  using Word = unsigned;
  static constexpr Word kOurs = 0x9fc0, kFlags = 0x3f;  // flags say what has happened, not what shall
  static Word read() { return _mm_getcsr(); }
  static void write(Word word) { _mm_setcsr(word); }
#elif defined(__aarch64__)
  using Word = uint64_t;
  static constexpr Word kOurs = 1 << 24, kFlags = 0;
  static Word read() {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void write(Word word) { asm volatile("msr fpcr, %0" : : "r"(word)); }
#else
  using Word = int;
  static constexpr Word kOurs = 0, kFlags = 0;
  static Word read() { return kOurs; }
  static void write(Word) {}
#endif
  Word saved_;
};

}  // namespace streamdl
