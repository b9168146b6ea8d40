#include "learner/threads.h"

#include <pthread.h>
#if defined(__linux__)
#include <sched.h>
#endif

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

// How often a thread looks before it sleeps: some 200 microseconds.
constexpr int kSpins = 20000;

// Returns when the stage is no longer `stage`.
void wait_while(const std::atomic<uint32_t>& current, uint32_t stage) {
  for (int i = 0; i < kSpins; ++i) {
    if (current.load(std::memory_order_acquire) != stage) return;
    relax();
  }
  current.wait(stage, std::memory_order_acquire);
}

// After a store: whoever sleeps sees it. Without the fence the look for sleepers could come before the store.
void wake(std::atomic<uint32_t>& stage) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  stage.notify_one();
}

// A helper that woke on the caller's core waits there for its turn, up to tens of milliseconds, although another
// core rests. Takes that core from it for a moment: the system then moves it at once.
void part_from_caller([[maybe_unused]] std::thread& helper) {
#if defined(__linux__)
  const int core = sched_getcpu();
  cpu_set_t allowed, others;
  if (core < 0 || pthread_getaffinity_np(helper.native_handle(), sizeof allowed, &allowed)) return;
  others = allowed;
  CPU_CLR(core, &others);
  if (pthread_setaffinity_np(helper.native_handle(), sizeof others, &others)) return;  // it may use no other
  pthread_setaffinity_np(helper.native_handle(), sizeof allowed, &allowed);
#endif
}

// So many parts in a row that a helper was too late for.
constexpr int kLate = 4;

}  // namespace

Pool::Pool(int threads) {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { ++forks; });
  (void)registered;
  forks_ = forks;
  workers_.reserve(threads - 1);  // helpers ask for the size while others are being made
  parts_ = std::make_unique<Part[]>(threads - 1);
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
  for (size_t i = 0; i < workers_.size(); ++i) {
    parts_[i].stage.store(kStop, std::memory_order_release);
    wake(parts_[i].stage);
  }
  for (std::thread& t : workers_) t.join();
}

void Pool::run(Task task, void* context) {
  if (forks_ != forks) {
    for (int i = 0; i < size(); ++i) task(context, i, size());
    return;
  }
  task_ = task;
  context_ = context;
  const int helpers = (int)workers_.size();
  for (int i = 0; i < helpers; ++i) {
    parts_[i].stage.store(kOpen, std::memory_order_release);
    wake(parts_[i].stage);
  }
  task(context, 0, size());
  for (int i = 0; i < helpers; ++i) {
    uint32_t open = kOpen;
    if (parts_[i].stage.compare_exchange_strong(open, kIdle, std::memory_order_acquire)) {
      if (++parts_[i].late % kLate == 0) part_from_caller(workers_[i]);
      task(context, i + 1, size());
    } else {
      parts_[i].late = 0;
      wait_while(parts_[i].stage, kTaken);
    }
  }
}

void Pool::work(int index) {
  const FloatingPoint environment;
  std::atomic<uint32_t>& stage = parts_[index - 1].stage;
  for (;;) {
    wait_while(stage, kIdle);
    uint32_t now = kOpen;
    if (stage.compare_exchange_strong(now, kTaken, std::memory_order_acquire)) {
      task_(context_, index, size());
      stage.store(kIdle, std::memory_order_release);
      wake(stage);
    } else if (now == kStop) {
      return;
    }
  }
}

}  // namespace streamdl
