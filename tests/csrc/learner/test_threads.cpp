// A pool runs every part once, whatever else the machine does.
#include "learner/threads.h"

#if defined(__linux__)
#include <sched.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace {

using streamdl::Pool;

struct alignas(64) Count {
  long runs = 0;
};

// Runs of the pool in which some part did not run exactly once more.
int wrong_runs(Pool& pool, int runs) {
  std::vector<Count> counts(pool.size());
  int wrong = 0;
  for (int n = 1; n <= runs; ++n) {
    pool.run([](void* context, int index, int) { ++(*static_cast<std::vector<Count>*>(context))[index].runs; },
             &counts);
    bool all = true;
    for (const Count& c : counts) all = all && c.runs == n;
    wrong += !all;
  }
  return wrong;
}

void every_part_runs_once() {
  for (int threads = 1; threads <= 9; ++threads) {
    Pool pool(threads);
    CHECK_EQUAL(pool.size(), threads);
    CHECK_EQUAL(wrong_runs(pool, 20000), 0);
  }
}

// Each part waits for the other to begin: the caller alone would wait for ten seconds in vain.
void helpers_run_beside_the_caller() {
  struct Meeting {
    std::atomic<int> begun{0}, met{0};
  } meeting;
  Pool pool(2);
  pool.run(
      [](void* context, int, int) {
        Meeting& m = *static_cast<Meeting*>(context);
        ++m.begun;
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (m.begun < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        m.met += m.begun == 2;
      },
      &meeting);
  CHECK_EQUAL(meeting.met.load(), 2);
}

// Helpers that have gone to sleep come back; a pool also ends while they sleep.
void helpers_sleep_and_wake() {
  Pool pool(3);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    CHECK_EQUAL(wrong_runs(pool, 3), 0);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

// Every core busy with other work, and more helpers than cores.
void goes_on_beside_busy_threads() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i)
    busy.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
      }
    });
  for (int threads : {2, 3, 7}) {
    Pool pool(threads);
    CHECK_EQUAL(wrong_runs(pool, 20000), 0);
  }
  stop = true;
  for (std::thread& t : busy) t.join();
}

#if defined(__linux__)
// The caller and its helper start on one core, and then may use two: within some parts they do.
void a_helper_leaves_the_core_of_its_caller() {
  cpu_set_t before, one, two;
  if (sched_getaffinity(0, sizeof before, &before) || CPU_COUNT(&before) < 2) return;
  CPU_ZERO(&one);
  CPU_ZERO(&two);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&two) < 2; ++core)
    if (CPU_ISSET(core, &before)) CPU_SET(core, CPU_COUNT(&one) ? &two : &one), CPU_SET(core, &two);
  struct Seen {
    std::thread::id thread[2];
  } seen;
  auto task = [](void* context, int index, int) {
    static_cast<Seen*>(context)->thread[index] = std::this_thread::get_id();
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
    while (std::chrono::steady_clock::now() < end) {
    }
  };
  int slow = 0;
  for (int trial = 0; trial < 30; ++trial) {
    sched_setaffinity(0, sizeof one, &one);
    Pool pool(2);
    for (int i = 0; i < 20; ++i) pool.run(task, &seen);
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
      sched_setaffinity(std::stoi(thread.path().filename()), sizeof two, &two);
    int alone = 0;
    for (int i = 0; i < 40; ++i) {
      pool.run(task, &seen);
      alone += seen.thread[0] == seen.thread[1];
    }
    slow += alone > 20;
  }
  sched_setaffinity(0, sizeof before, &before);
  CHECK(slow <= 8);  // a busy machine may need the other core itself; unhelped, half of the trials are slow
}
#endif

// A forked child has no helpers: the caller runs all.
void a_forked_child_runs_all_itself() {
  Pool pool(3);
  CHECK_EQUAL(wrong_runs(pool, 100), 0);
  const pid_t child = fork();
  if (child == 0) _exit(wrong_runs(pool, 100) == 0 ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_EQUAL(wrong_runs(pool, 100), 0);
}

}  // namespace

int main() {
  every_part_runs_once();
  helpers_run_beside_the_caller();
  helpers_sleep_and_wake();
  goes_on_beside_busy_threads();
#if defined(__linux__)
  a_helper_leaves_the_core_of_its_caller();
#endif
  a_forked_child_runs_all_itself();
  return check_result();
}
