// How long the units of one layer have been silent, and which of them for longer than their own past allows. What is
// kept of a unit: the example on which it fired last, a histogram of its past silences, and how many they are. From
// those follows its patience, the shortest silence that is too long. It is looked at again when a unit fires after a
// long silence; a silent unit costs one comparison.
//
// The histograms of a layer are larger than its share of a cache: silences wait in a unit's note until some have come
// together. `settle` comes before anyone else looks at the state.
#pragma once

#include <cstdint>
#include <vector>

namespace streamdl {

class Silences {
 public:
  // Units, and their part of a learner's state.
  Silences(int units, uint64_t* fired, uint64_t* past, uint64_t* histograms);

  // Derives everything from the state.
  void judge_by(double threshold, double minimum);
  // A bit per unit, 64 to a word: who fired on the example to observe.
  uint64_t* marks() { return marks_.data(); }
  void observe(uint64_t now);
  // Lists who has been silent for too long on any example since the last call.
  void take_due(std::vector<int>& units);
  // A unit was born after example `now`.
  void forget(int unit, uint64_t now);
  void settle();

 private:
  struct Note {
    static constexpr int kRoom = 11;
    uint16_t firings_left;  // before the patience is looked at again in any case
    uint8_t patience;       // a bin
    bool judged;
    uint8_t waiting;
    uint8_t silences[kRoom];  // their bins
  };

  void fire(int unit, uint64_t now);
  void settle(int unit);
  void look_again(int unit);
  uint64_t due_after(int unit, uint64_t fired) const;
  uint64_t* histogram(int unit) const;

  uint64_t *fired_, *past_, *histograms_;
  double threshold_ = 0, minimum_ = 0;
  std::vector<Note> notes_;
  std::vector<uint64_t> longer_, almost_;  // past silences as long as the patience, and as the bin before it, or longer
  std::vector<uint64_t> due_;              // the example on which a unit that does not fire is due
  std::vector<uint64_t> marks_, found_;
  std::vector<int> full_;  // whose notes are, on this example
};

}  // namespace streamdl
