#include "learner/threads.h"

#include <pthread.h>

#include <system_error>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace streamdl {
namespace {

std::atomic<int> forks{0};

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// How often a helper looks for work before it sleeps: some 50 microseconds.
constexpr int kSpins = 4000;

}  // namespace

Pool::Pool(int threads) {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { ++forks; });
  (void)registered;
  forks_ = forks;
  workers_.reserve(threads - 1);  // helpers ask for the size while others are being made
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error&) {
    // The machine gives no more threads: fewer helpers do the same work.
  }
}

Pool::~Pool() {
  if (forks_ != forks) {  // the helpers live in the parent
    for (std::thread& t : workers_) t.detach();
    return;
  }
  stop_ = true;
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& t : workers_) t.join();
}

void Pool::run(Task task, void* context) {
  if (forks_ != forks) {
    for (int i = 0; i < size(); ++i) task(context, i, size());
    return;
  }
  task_ = task;
  context_ = context;
  running_.store((int)workers_.size(), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  task(context, 0, size());
  while (running_.load(std::memory_order_acquire) != 0) relax();
}

void Pool::work(int index) {
  const FloatingPoint environment;
  uint32_t seen = 0;
  for (;;) {
    uint32_t now = generation_.load(std::memory_order_acquire);
    for (int i = 0; now == seen && i < kSpins; ++i) {
      relax();
      now = generation_.load(std::memory_order_acquire);
    }
    if (now == seen) {
      generation_.wait(seen, std::memory_order_acquire);
      continue;
    }
    seen = now;
    if (stop_) return;
    task_(context_, index, size());
    running_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace streamdl
