#include "learner/gauges.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "learner/learner.h"

namespace streamdl {
namespace {

void check_range(const char* name, int value, int low, int high) {
  if (value < low || value > high)
    throw std::invalid_argument("gauges." + std::string(name) + ": expected " + std::to_string(low) + " to " +
                                std::to_string(high) + ", got " + std::to_string(value));
}

float as_float(float value) { return value; }
float as_float(double value) {
  constexpr double most = std::numeric_limits<float>::max();
  return (float)std::min(std::max(value, -most), most);
}

template <class T>
double sum_of_squares(const T* x, int n) {
  double parts[8] = {};
  int i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) parts[k] += (double)x[i + k] * (double)x[i + k];
  for (; i < n; ++i) parts[i % 8] += (double)x[i] * (double)x[i];
  return ((parts[0] + parts[4]) + (parts[1] + parts[5])) + ((parts[2] + parts[6]) + (parts[3] + parts[7]));
}

// 64 counters of bits, side by side: bit k of planes[p] stands for 2^p in counter k.
class BitCounters {
 public:
  explicit BitCounters(int most) {
    while (top_ < kPlanes && most >> top_) ++top_;
  }
  void add(const uint64_t* words, int n) {
    int i = 0;
    for (; i + 8 <= n; i += 8) {
      uint64_t twos[4], fours[2], eight;
      for (int k = 0; k < 4; ++k) add_two(planes_[0], words[i + 2 * k], words[i + 2 * k + 1], &twos[k]);
      for (int k = 0; k < 2; ++k) add_two(planes_[1], twos[2 * k], twos[2 * k + 1], &fours[k]);
      add_two(planes_[2], fours[0], fours[1], &eight);
      add_one(eight, 3);
    }
    for (; i < n; ++i) add_one(words[i], 0);
  }
  uint64_t count(int k) const {
    uint64_t count = 0;
    for (int p = 0; p < top_; ++p) count |= (planes_[p] >> k & 1) << p;
    return count;
  }

 private:
  static void add_two(uint64_t& sum, uint64_t a, uint64_t b, uint64_t* carry) {
    const uint64_t one = a ^ b;
    *carry = (a & b) | (one & sum);
    sum ^= one;
  }
  void add_one(uint64_t carry, int p) {
    for (; p < top_; ++p) {
      const uint64_t next = planes_[p] & carry;
      planes_[p] ^= carry;
      carry = next;
    }
  }

  static constexpr int kPlanes = 17;  // for up to 2^16 words
  uint64_t planes_[kPlanes] = {};
  int top_ = 3;
};

// Where the window keeps word w, of `words`, of example i: the same word of 64 examples lies together.
constexpr size_t place(int words, int w, int i) { return ((size_t)(i / 64) * words + w) * 64 + i % 64; }

// Calls f(words, how many) for the runs of word w of the first n examples.
template <class F>
void each_run(const uint64_t* window, int words, int w, int n, F f) {
  for (int i = 0; i < n; i += 64) f(window + place(words, w, i), std::min(64, n - i));
}

}  // namespace

void GaugeSettings::check() const {
  check_range("window", window, 1, 1 << 16);
  check_range("every", every, 1, 1 << 20);
  check_range("rows", rows, 0, 1 << 16);
}

template <class T>
GaugesOf<T>::GaugesOf(const GaugeSettings& settings, const std::vector<GaugedLayer<T>>& layers,
                      const Kernels<T>& kernels)
    : Gauges(settings),
      kernels_(kernels),
      keep_until_(~(uint64_t)0 / (uint64_t)settings.every),
      watch_until_(keep_until_ / kWatchEvery) {
  for (const GaugedLayer<T>& layer : layers) watched_.push_back({layer, memory_.allocate<T>(layer.outputs)});
  for (size_t l = 1; l < layers.size(); ++l) {
    Units u{};
    u.h = layers[l].x;
    u.units = layers[l].inputs;
    u.words = (u.units + 63) / 64;
    u.positive.resize(place(u.words, 0, settings_.window + 63));
    if (!layers[l].never_negative) u.nonzero.resize(u.positive.size());
    for (auto* numbers : {&u.firings, &u.last, &u.born}) numbers->resize(u.units);
    u.rows = memory_.allocate<float>((size_t)u.units * settings_.rows);
    units_.push_back(std::move(u));
  }
}

//---------------------------------------------------------------------------- activity

template <class T>
void GaugesOf<T>::mark() {
  for (Units& u : units_) {
    const size_t at = place(u.words, 0, fresh_);
    kernels_.mark_active(u.h, u.units, 64, &u.positive[at], u.nonzero.empty() ? nullptr : &u.nonzero[at]);
  }
  if (++fresh_ == settings_.window) fold();
}

// Adds the fresh examples to the records of a layer's units.
template <class T>
void GaugesOf<T>::add_fresh(const Units& u, uint64_t* firings, uint64_t* last) const {
  const uint64_t* window = u.positive.data();
  for (int w = 0; w < u.words; ++w) {
    const int first = w * 64, units = std::min(64, u.units - first);
    BitCounters counters(fresh_);
    each_run(window, u.words, w, fresh_, [&](const uint64_t* run, int n) { counters.add(run, n); });
    for (int k = 0; k < units; ++k) {
      if (u.born[first + k] <= folded_) {
        firings[first + k] += counters.count(k);
      } else {  // what came before its birth was another's
        const int birth = (int)(u.born[first + k] - folded_);
        for (int i = birth; i < fresh_; ++i) firings[first + k] += window[place(u.words, w, i)] >> k & 1;
      }
    }
    uint64_t missing = ~(uint64_t)0;  // units whose last time lies further back
    for (int i = fresh_; i-- > 0 && missing;) {
      const uint64_t word = window[place(u.words, w, i)], number = folded_ + i + 1;
      for (uint64_t found = word & missing; found; found &= found - 1) {
        const int k = first + __builtin_ctzll(found);
        if (number > u.born[k]) last[k] = number;
      }
      missing &= ~word;
    }
  }
}

template <class T>
void GaugesOf<T>::fold() {
  for (Units& u : units_) add_fresh(u, u.firings.data(), u.last.data());
  folded_ += fresh_;
  fresh_ = 0;
}

template <class T>
void GaugesOf<T>::forget(int hidden, int unit) {
  Units& u = units_[hidden];
  u.firings[unit] = u.last[unit] = 0;
  u.born[unit] = examples();
}

template <class T>
UnitCounts GaugesOf<T>::counts(int hidden) const {
  const Units& u = units_[hidden];
  UnitCounts c;
  const auto of_window = [&](const std::vector<uint64_t>& bits) {
    const int held = folded_ ? settings_.window : fresh_;
    std::vector<uint64_t> counts;
    for (int w = 0; w < u.words; ++w) {
      BitCounters counters(held);
      each_run(bits.data(), u.words, w, held, [&](const uint64_t* run, int n) { counters.add(run, n); });
      for (int k = 0; k < std::min(64, u.units - w * 64); ++k) counts.push_back(counters.count(k));
    }
    return counts;
  };
  c.positive = of_window(u.positive);
  c.active = u.nonzero.empty() ? c.positive : of_window(u.nonzero);
  c.firings = u.firings;
  std::vector<uint64_t> last = u.last;
  add_fresh(u, c.firings.data(), last.data());
  for (int k = 0; k < u.units; ++k) {
    const uint64_t until = std::max(last[k], u.born[k]);
    c.record.push_back(until - u.born[k]);
    c.silence.push_back(examples() - until);
  }
  return c;
}

//---------------------------------------------------------------------------- the sample

template <class T>
void GaugesOf<T>::keep() {
  const uint64_t slot = sampled_ % settings_.rows, next = ++sampled_ % settings_.rows;
  for (const Units& u : units_) {
    float* row = u.rows + slot * u.units;
    for (int k = 0; k < u.units; ++k) row[k] = as_float(u.h[k]);
    // The row that is written next has not been touched for long: it comes while the next steps are taken.
    for (int k = 0; k < u.units; k += 16) __builtin_prefetch(u.rows + next * u.units + k, 1);
  }
}

template <class T>
std::vector<float> GaugesOf<T>::sample(int hidden) const {
  const Units& u = units_[hidden];
  const uint64_t held = std::min<uint64_t>(sampled_, settings_.rows);
  const float *end = u.rows + held * u.units,
              *oldest = sampled_ > held ? u.rows + sampled_ % settings_.rows * u.units : u.rows;
  std::vector<float> all(oldest, end);
  all.insert(all.end(), (const float*)u.rows, oldest);
  return all;
}

//---------------------------------------------------------------------------- updates

// One row of each layer's weights stands for all. Row j is chosen with a chance proportional to x_j^2, since an update
// is x_j * delta for most rules: for plain SGD the estimate |change of row j|^2 / chance is the same whichever is
// chosen, and for every other rule its mean is right. Where weights of silent units move, too, half of the choices are
// made among all rows.
template <class T>
void GaugesOf<T>::before_update(uint64_t step, bool rests) {
  for (size_t l = 0; l < watched_.size(); ++l) {
    Watched& w = watched_[l];
    const GaugedLayer<T>& layer = w.layer;
    const double squares = sum_of_squares(layer.x, layer.inputs);
    const bool known = squares > 0 && squares <= std::numeric_limits<double>::max();
    w.row = -1;
    if (!known && rests) continue;
    const double among_all = !known ? 1 : rests ? 0 : 0.5;
    double draw = (double)(mix((step + 1) * kGolden + (l + 1)) >> 11) * 0x1p-53;
    if (draw < among_all) {
      w.row = std::min((int)(draw / among_all * layer.inputs), layer.inputs - 1);
    } else {
      double left = (draw - among_all) / (1 - among_all) * squares;
      for (int j = 0; j < layer.inputs && left >= 0; ++j) {
        if (layer.x[j] == T(0)) continue;
        w.row = j;
        left -= (double)layer.x[j] * (double)layer.x[j];
      }
    }
    const double x = (double)layer.x[w.row];
    w.chance = among_all / layer.inputs + (known ? (1 - among_all) * (x * x / squares) : 0);
    const T* row = layer.weights + (size_t)w.row * layer.row_stride;
    for (int k = 0; k < layer.outputs; ++k) w.before[k] = row[(size_t)k * layer.output_stride];
  }
}

template <class T>
void GaugesOf<T>::after_update() {
  for (Watched& w : watched_) {
    const GaugedLayer<T>& layer = w.layer;
    double square = 0;
    if (w.row >= 0) {
      const T* row = layer.weights + (size_t)w.row * layer.row_stride;
      for (int k = 0; k < layer.outputs; ++k) {
        const double change = (double)row[(size_t)k * layer.output_stride] - (double)w.before[k];
        square += change * change;
      }
      square /= w.chance;
    }
    ++w.count;
    w.mean_square += (square - w.mean_square) / std::min((double)w.count, kWatched);
  }
}

template <class T>
double GaugesOf<T>::update_norm(int layer) const {
  const Watched& w = watched_[layer];
  return w.count ? std::sqrt(w.mean_square) : std::numeric_limits<double>::quiet_NaN();
}

//---------------------------------------------------------------------------- of a learner

template <class T>
void LearnerOf<T>::start_gauges(const GaugeSettings& settings) {
  settings.check();
  std::vector<GaugedLayer<T>> layers;
  for (size_t l = 0; l < plan_->dense.size(); ++l) {
    const Dense& d = plan_->dense[l];
    bool never_negative = false;
    for (const UnitOp& op : plan_->boundaries[l].ops)
      if (op.spec.kind != LayerSpec::Kind::dropout)
        never_negative = op.spec.kind == LayerSpec::Kind::activation && op.spec.activation == Activation::relu;
    layers.push_back({value((int)l), d.inputs, d.edges ? d.edges : d.outputs, vector(d, 0), d.row_stride,
                      d.output_stride, never_negative});
  }
  gauges_ = std::make_unique<GaugesOf<T>>(settings, layers, kernels_);
}

template void LearnerOf<float>::start_gauges(const GaugeSettings& settings);
template void LearnerOf<double>::start_gauges(const GaugeSettings& settings);
template class GaugesOf<float>;
template class GaugesOf<double>;

}  // namespace streamdl
