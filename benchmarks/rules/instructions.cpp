// Counts the instructions of a call: the processor traps after each one, and the handler adds 1.
// Linux on x86-64 alone.

#include <csignal>

namespace {

volatile long count;

void add_one(int) { count = count + 1; }

}  // namespace

extern "C" {

// The instructions that `call` retires in this thread, outside the system; a few of our own are among them.
long count_instructions(void (*call)()) {
  struct sigaction handler = {}, before = {};
  handler.sa_handler = add_one;
  if (sigaction(SIGTRAP, &handler, &before) != 0) return -1;
  count = 0;
  // The trap flag; the system clears it while the handler runs.
  asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
  call();
  asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
  sigaction(SIGTRAP, &before, nullptr);
  return count;
}
}
