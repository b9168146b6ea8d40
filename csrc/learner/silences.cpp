#include "learner/silences.h"

#include <algorithm>
#include <array>
#include <limits>

#include "rules/plasticity/self_normalized_reset.h"

namespace streamdl {

using Table = base::SelfNormalizedReset;

namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max() / 2;  // the difference of two keeps its sign
static_assert(Table::kBins <= 255);                                    // a bin takes a byte, and so does the one behind

// The shortest silence of each bin, at least 1; there is none behind the last.
constexpr auto kShortest = [] {
  std::array<uint64_t, Table::kBins + 1> shortest{};
  for (uint64_t octave = 0; octave < Table::kOctaves; ++octave)
    for (uint64_t i = 0; i < Table::kPerOctave; ++i)
      shortest[Table::kExact + octave * Table::kPerOctave + i] = (Table::kPerOctave + i) << (octave + 3);
  for (uint64_t a = 0; a < Table::kExact; ++a) shortest[a] = std::max<uint64_t>(a, 1);
  shortest[Table::kBins] = kNever;
  return shortest;
}();

template <class Visit>
void each_bit(const std::vector<uint64_t>& words, const Visit& visit) {
  for (size_t word = 0; word < words.size(); ++word)
    for (uint64_t bits = words[word]; bits; bits &= bits - 1) visit((int)word * 64 + __builtin_ctzll(bits));
}

}  // namespace

Silences::Silences(int units, uint64_t* fired, uint64_t* past, uint64_t* histograms)
    : fired_(fired), past_(past), histograms_(histograms), notes_((size_t)units) {
  const size_t words = (size_t)(units + 63) / 64;
  for (auto* numbers : {&longer_, &almost_}) numbers->resize((size_t)units);
  for (auto* bits : {&marks_, &found_}) bits->resize(words);
  due_.resize(words * 64, kNever);
  full_.reserve((size_t)units);
}

uint64_t* Silences::histogram(int unit) const { return histograms_ + (size_t)unit * Table::kBins; }

void Silences::judge_by(double threshold, double minimum) {
  settle();
  threshold_ = threshold, minimum_ = minimum;
  for (size_t k = 0; k < notes_.size(); ++k) {
    notes_[k].patience = 0;
    longer_[k] = past_[k];
    look_again((int)k);
  }
}

// Moves the patience to the first bin from which on there are few enough.
void Silences::look_again(int k) {
  Note& note = notes_[k];
  const uint64_t* counts = histogram(k);
  const double past = (double)past_[k];
  auto are_few = [&](uint64_t longer) { return (double)longer / past <= threshold_; };
  int bin = note.patience;
  if (past) {
    for (; bin < Table::kBins && !are_few(longer_[k]); ++bin) {
      almost_[k] = longer_[k];
      longer_[k] -= std::min(longer_[k], counts[bin]);
    }
    while (bin && are_few(almost_[k])) {
      longer_[k] = almost_[k];
      if (--bin) almost_[k] += counts[bin - 1];
    }
  }
  note.patience = (uint8_t)bin;
  note.judged = past && past >= minimum_;
  // Short silences alone make it fall, once `almost` are few, and a unit be judged.
  double left = std::numeric_limits<uint16_t>::max();
  if (bin) left = std::min(left, (double)almost_[k] / threshold_ - past);
  if (!note.judged) left = std::min(left, minimum_ - past);
  note.firings_left = (uint16_t)std::max(left, 1.0);
  due_[k] = due_after(k, fired_[k]);
}

uint64_t Silences::due_after(int k, uint64_t fired) const {
  return notes_[k].judged ? fired + kShortest[notes_[k].patience] : kNever;
}

// What waits joins the histogram.
void Silences::settle(int k) {
  Note& note = notes_[k];
  for (int i = 0; i < note.waiting; ++i) ++histogram(k)[note.silences[i]];
  past_[k] += note.waiting;
  note.waiting = 0;
}

void Silences::settle() {
  for (size_t k = 0; k < notes_.size(); ++k) settle((int)k);
}

void Silences::fire(int k, uint64_t now) {
  Note& note = notes_[k];
  const int bin = Table::bin_of(now - 1 - fired_[k]);
  fired_[k] = now;
  due_[k] = due_after(k, now);
  note.silences[note.waiting++] = (uint8_t)bin;
  const bool counts = bin + 1 >= note.patience;
  if (counts) {
    longer_[k] += bin >= note.patience;
    ++almost_[k];
  }
  if (!--note.firings_left | counts | (note.waiting == Note::kRoom)) {
    full_.push_back(k);
    __builtin_prefetch(histogram(k) + note.silences[0], 1);
  }
}

void Silences::observe(uint64_t now) {
  if (const size_t rest = notes_.size() % 64) marks_.back() &= ((uint64_t)1 << rest) - 1;  // padding may be above 0
  full_.clear();
  each_bit(marks_, [&](int k) { fire(k, now); });
  for (int k : full_) {
    settle(k);
    look_again(k);
  }
  for (size_t word = 0; word < found_.size(); ++word) {
    const uint64_t* due = &due_[word * 64];
    uint64_t any = 0;
    for (int k = 0; k < 64; ++k) any |= due[k] - now - 1;  // negative when due
    if (!(any >> 63)) continue;
    for (int k = 0; k < 64; ++k) found_[word] |= (uint64_t)(due[k] <= now) << k;
  }
}

void Silences::take_due(std::vector<int>& units) {
  units.clear();
  each_bit(found_, [&](int k) { units.push_back(k); });
  std::fill(found_.begin(), found_.end(), 0);
}

void Silences::forget(int k, uint64_t now) {
  fired_[k] = now;
  past_[k] = 0;
  std::fill_n(histogram(k), Table::kBins, 0);
  notes_[k] = {};
  longer_[k] = almost_[k] = 0;
  look_again(k);
}

}  // namespace streamdl
