// What learners and agents have in common: a block of state with named arrays, hyper-parameters among them, and one
// caller at a time.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "learner/entries.h"
#include "learner/state.h"

namespace streamdl {

class Stateful {
 public:
  virtual ~Stateful() = default;

  virtual const std::vector<FieldEntry>& entries() const = 0;
  virtual const std::vector<Named>& hyper_names() const = 0;
  virtual double* hyper() const = 0;  // settle() comes before a write
  // Why a hyper-parameter cannot be given this value now, or nothing.
  virtual std::string check_hyper(size_t index, double value) const = 0;

  const std::shared_ptr<Block>& block() const { return block_; }
  uint64_t cancelled() const { return cancelled_; }

  // Somebody may have written to the state: whatever is derived from it is rebuilt before it is used.
  virtual void state_touched() = 0;
  // Brings up to date what is saved: what is derived from writes through views, rows that wait for their updates.
  virtual void settle() = 0;
  // A hyper-parameter was written.
  virtual void hyper_changed() = 0;
  // The whole state was replaced by one that belongs together: a checkpoint.
  virtual void state_loaded() = 0;

  // One caller at a time: false where somebody else is inside.
  bool enter() { return !busy_.exchange(true, std::memory_order_acquire); }
  bool busy() const { return busy_.load(std::memory_order_relaxed); }
  void leave() { busy_.store(false, std::memory_order_release); }

 protected:
  explicit Stateful(size_t bytes) : block_(std::make_shared<Block>(bytes)) {}
  std::shared_ptr<Block> block_;
  uint64_t cancelled_ = 0;

 private:
  std::atomic<bool> busy_{false};
};

// A state, and what the names of its arrays begin with where it is one of several.
struct StatePart {
  std::string prefix;
  Stateful* of;
};

// SHA-256 over the sorted names and the bytes of all arrays.
std::string state_hash(const std::vector<StatePart>& parts);

}  // namespace streamdl
