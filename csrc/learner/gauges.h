// Gauges of a learner: who is active, who has fallen silent, what the hidden units did lately, how far updates go.
//
// They look on: no bit of the learner depends on them, and they are no part of its state. An example costs
// O(units); one in `every` is kept in the sample, one in 32 `every` has rows of weights watched, by the number of the
// example alone. Nothing is allocated once they are built.
#pragma once

#include <cstdint>
#include <vector>

#include "learner/plan.h"
#include "learner/state.h"

namespace streamdl {

struct GaugeSettings {
  int window = 1000;  // examples that activity is counted over
  int every = 16;     // one example in so many is kept, on average
  int rows = 1000;    // so many of them are held

  // Throws std::invalid_argument naming the field, the value and what is allowed.
  void check() const;
};

// The units of one hidden layer, as counted.
struct UnitCounts {
  std::vector<uint64_t> active, positive;  // of the last `window` examples, those with h != 0 and with h > 0
  // Since the unit was born: how often it fired (h > 0), in how many examples up to the last time, and how many
  // have followed since.
  std::vector<uint64_t> firings, record, silence;
};

class Gauges {
 public:
  virtual ~Gauges() = default;

  const GaugeSettings& settings() const { return settings_; }
  uint64_t examples() const { return folded_ + fresh_; }  // since the gauges were started
  uint64_t sampled() const { return sampled_; }

  virtual UnitCounts counts(int hidden) const = 0;
  // The activations held, the oldest first, (examples, units).
  virtual std::vector<float> sample(int hidden) const = 0;
  // |w after an update - w before| of a dense layer's weights, as the root of a mean over the last 64 or so that were
  // watched; NaN before there is one.
  virtual double update_norm(int layer) const = 0;

 protected:
  explicit Gauges(const GaugeSettings& settings) : settings_(settings) {}

  GaugeSettings settings_;
  uint64_t folded_ = 0;  // examples that the records of the units hold,
  int fresh_ = 0;        // and those that the window alone holds yet
  uint64_t sampled_ = 0;
};

// A vector of activations, and the weights that lead on from there, as they lie in memory.
template <class T>
struct GaugedLayer {
  const T* x;
  int inputs, outputs;
  const T* weights;
  size_t row_stride, output_stride;
  bool never_negative;  // x of hidden layers
};

template <class T>
class GaugesOf : public Gauges {
 public:
  // One layer per dense layer; the first one's x are the network's inputs.
  GaugesOf(const GaugeSettings& settings, const std::vector<GaugedLayer<T>>& layers, const Kernels<T>& kernels);

  // Whether the update from example number `step` is to be measured; then what comes before it and after it.
  // `rests`: where x is 0, no weight changes.
  bool watches(uint64_t step) const { return draw(step) <= watch_until_; }
  void before_update(uint64_t step, bool rests);
  void after_update();
  // Example number `step` was learned from.
  void observe(uint64_t step) {
    mark();
    if (draw(step) <= keep_until_ && settings_.rows) keep();
  }
  // The unit was born again: its record begins anew. What it did in this window and in the sample stays.
  void forget(int hidden, int unit);

  UnitCounts counts(int hidden) const override;
  std::vector<float> sample(int hidden) const override;
  double update_norm(int layer) const override;

 private:
  static constexpr int kWatchEvery = 32;
  static constexpr double kWatched = 64;
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;

  struct Units {
    const T* h;
    int units;
    int words;
    // The window: a bit per unit and example, 64 units to a word. The second one is empty where both are the same.
    std::vector<uint64_t> positive, nonzero;
    // Of the examples folded: how often a unit fired, and the number of the last time, from 1 on; after how many
    // examples it was born.
    std::vector<uint64_t> firings, last, born;
    float* rows;  // ring of activations
  };
  struct Watched {
    GaugedLayer<T> layer;
    T* before;     // the chosen row
    int row = -1;  // or none, where no weight can change
    double chance = 1;
    double mean_square = 0;
    uint64_t count = 0;
  };

  // An example is drawn by its number alone, so that no period of a stream meets one of the gauges.
  static uint64_t draw(uint64_t step) { return mix((step + 1) * kGolden); }
  // The last steps of splitmix64 (Steele, Lea and Flood, 2014): every bit of the result depends on every bit of z.
  static constexpr uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  void mark();
  void add_fresh(const Units& u, uint64_t* firings, uint64_t* last) const;
  void fold();
  void keep();

  const Kernels<T>& kernels_;
  const uint64_t keep_until_, watch_until_;  // the draws that are taken
  Memory memory_;
  std::vector<Units> units_;
  std::vector<Watched> watched_;
};

}  // namespace streamdl
