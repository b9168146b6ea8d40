// How the passes over a large layer are cut, and which thread takes which piece.
//
// The rows of a pass fall into sections, whose number follows from the pass alone. Forward, each section is summed
// by itself, and the sums are added in order: so the number of threads changes no bit. A thread takes the same
// sections back as forth: most weights stay in its own caches, which matters where cores share no cache.
#include <algorithm>
#include <utility>

#include "learner/learner.h"

namespace streamdl {
namespace {

// Passes over fewer weights are not cut. Sections are shared evenly by 2, 3, 4, 6 and 12 threads, and have so many
// rows at least that adding their sums costs little.
constexpr long kWorthCutting = 100000;
constexpr int kMostSections = 12, kRowsPerSection = 64;
// Below this many numbers, weights and fields, waking the others costs more than they save.
constexpr long kWorthSharing = 200000;
// An update whose rows lie in the caches of the one thread that went forward is shared only from here on.
constexpr long kWorthMoving = 4 * kWorthSharing;

bool is_large(long rows, long columns) { return rows * columns >= kWorthCutting; }

int sections(int rows, int columns) {
  return is_large(rows, columns) ? std::clamp(rows / kRowsPerSection, 1, kMostSections) : 1;
}

// Part `index` of `count` of n things, in whole multiples of `grain`.
std::pair<int, int> part_of(int n, int grain, int index, int count) {
  const long pieces = (n + grain - 1) / grain;
  auto end = [&](long i) { return (int)std::min<long>(n, pieces * i / count * grain); };
  return {end(index), end(index + 1)};
}

// Rows are read in groups of four.
std::pair<int, int> rows_of(int rows, int section, int count) { return part_of(rows, 4, section, count); }

template <class T>
struct Forward {
  const Kernels<T>& kernels;
  const ForwardArgs<T>& whole;
  int sections;
  int columns;       // whole vectors: what lies in `partial` behind the last column is another layer's
  T* partial;        // sums of the sections but the first, which takes the bias and has its place in `out`
  ptrdiff_t length;  // of one

  void add(int section, int begin, int end, const T* sums) const {
    if (section > 0 && begin < end) kernels.accumulate(whole.out + begin, T(1), sums + begin, end - begin);
  }

  void run(int section, int begin, int end, T* sums) const {
    ForwardArgs<T> a = whole;
    const auto [first, last] = rows_of(whole.row_count, section, sections);
    a.rows += first;
    a.row_count = last - first;
    a.begin = begin;
    a.end = end;
    if (section > 0) a.bias = nullptr, a.out = sums;
    kernels.forward(a);
  }

  // All sections of some columns.
  void run_columns(int begin, int end) const {
    for (int s = 0; s < sections; ++s) {
      run(s, begin, end, partial);
      add(s, begin, end, partial);
    }
  }

  static void share_sections(void* context, int index, int count) {
    const Forward& f = *static_cast<Forward*>(context);
    const auto [begin, end] = part_of(f.sections, 1, index, count);
    for (int s = begin; s < end; ++s) f.run(s, 0, f.columns, f.partial + s * f.length);
  }

  static void share_columns(void* context, int index, int count) {
    const Forward& f = *static_cast<Forward*>(context);
    const auto [begin, end] = part_of(f.columns, 4 * kLanes<T>, index, count);
    if (begin < end) f.run_columns(begin, end);
  }
};

}  // namespace

template <class T>
bool LearnerOf<T>::is_cut(const Dense& d) const {
  return !d.by_output && !d.edges && is_large(d.inputs, d.outputs);
}

template <class T>
void LearnerOf<T>::prepare_sharing() {
  for (const Dense& d : plan_->dense)
    if (is_cut(d)) partial_length_ = std::max(partial_length_, padded<T>(d.outputs));
  if (!partial_length_) return;
  const bool several = plan_->spec.threads > 1;
  partial_ = allocate(partial_length_ * (several ? kMostSections : 1));
  if (several) pool_ = std::make_unique<Pool>(plan_->spec.threads);
}

// Of the weights and their fields that a pass visits.
template <class T>
long LearnerOf<T>::numbers(long rows, long columns) const {
  return rows * columns * (1 + plan_->rule.field_count);
}

template <class T>
void LearnerOf<T>::forward_dense(Call& call) {
  const ForwardArgs<T>& a = call.forward;
  Forward<T> f{kernels_, a, sections(a.row_count, a.end), padded<T>(a.end), partial_, partial_length_};
  call.shared = pool_ && numbers(a.row_count, a.end) >= kWorthSharing;
  if (!call.shared) return f.run_columns(0, f.columns);
  if (f.sections < pool_->size()) return pool_->run(f.share_columns, &f);
  pool_->run(f.share_sections, &f);
  for (int s = 1; s < f.sections; ++s) f.add(s, 0, f.columns, partial_ + s * f.length);
}

// Each thread takes its own rows, the last one the bias too.
template <class T>
void LearnerOf<T>::share_update(const Call& call, void (*run)(UpdateArgs<T>&), UpdateArgs<T>& a) {
  if (!call.shared && (!call.cut || numbers(a.row_count, a.used) < kWorthMoving)) return run(a);
  struct alignas(64) Mine {
    UpdateArgs<T> args;
  };
  constexpr int kMost = 64;
  Mine parts[kMost];
  struct Shared {
    void (*run)(UpdateArgs<T>&);
    const UpdateArgs<T>& whole;
    Mine* parts;
    int sections;
  } shared{run, a, parts, std::max(sections(a.row_count, a.used), pool_->size())};
  pool_->run(
      [](void* context, int index, int count) {
        const Shared& s = *static_cast<Shared*>(context);
        UpdateArgs<T>& mine = s.parts[index].args = s.whole;
        const auto [first, last] = part_of(s.sections, 1, index, count);
        const int begin = rows_of(s.whole.row_count, first, s.sections).first;
        mine.rows += begin;
        if (mine.missed) mine.missed += begin;
        mine.row_count = rows_of(s.whole.row_count, last, s.sections).first - begin;
        if (index + 1 < count) mine.bias = nullptr;
        s.run(mine);
      },
      &shared);
  for (int i = 0; i < pool_->size(); ++i) {
    a.cancelled += parts[i].args.cancelled;
    a.largest = std::max(a.largest, parts[i].args.largest);
  }
  for (int k = 0; k < kMaxSums; ++k) a.bias_sums[k] = parts[pool_->size() - 1].args.bias_sums[k];
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
