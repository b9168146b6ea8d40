// What a learner takes in. A sparse input costs what its active features cost, however many others there are: the
// numbers of the last one are taken back one by one, and of a single output's weights only the active ones are visited.
// They are gathered, with their fields and the bias, into a small layer on which the same kernels work, and put back.
// In which order numbers are added follows from which features are active, not from how they were given.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "learner/learner.h"

namespace streamdl {
namespace {

// Columns of a small layer: to[f][i] = from[f][rows[i]], or back. The usual numbers of columns are known when compiled.
template <int kColumns, class T>
void gather_columns(const T* from, ptrdiff_t between, const int32_t* rows, int count, T* to, int columns) {
  for (int i = 0; i < count; ++i) {
    const T* const p = from + rows[i];
#pragma GCC unroll 4
    for (int f = 0; f < kColumns; ++f) to[f * columns + i] = p[f * between];
  }
}
template <int kColumns, class T>
void put_back_columns(T* to, ptrdiff_t between, const int32_t* rows, int count, const T* from, int columns) {
  for (int i = 0; i < count; ++i) {
    T* const p = to + rows[i];
#pragma GCC unroll 4
    for (int f = 0; f < kColumns; ++f) p[f * between] = from[f * columns + i];
  }
}

// Calls pass.template operator()<n>(first) for all of `columns` columns, a few at a time.
template <class Pass>
void each_group(int columns, const Pass& pass) {
  int f = 0;
  for (; columns - f >= 4; f += 4) pass.template operator()<4>(f);
  if (columns - f == 3) pass.template operator()<3>(f);
  if (columns - f == 2) pass.template operator()<2>(f);
  if (columns - f == 1) pass.template operator()<1>(f);
}

}  // namespace

template <class T>
void LearnerOf<T>::prepare_inputs() {
  const Boundary& b = plan_->boundaries[0];
  const int blocks = b.padded / kLanes<T>, words = BlockSet::words_of(blocks);
  inputs_.named = {memory_.allocate<uint64_t>(words), memory_.allocate<uint64_t>(BlockSet::words_of(words)), blocks};
  inputs_.lanes = memory_.allocate<uint16_t>(blocks);
  inputs_.blocks = memory_.allocate<int32_t>(blocks);
  inputs_.few = plan_->dense[0].by_output ? blocks : 0;
  if (!inputs_.few) return;
  const int most = padded<T>(inputs_.few);
  inputs_.values = allocate(most);
  inputs_.weights = allocate((size_t)(most + kLanes<T>)*(1 + plan_->rule.field_count));
}

//---------------------------------------------------------------------------- taking in

template <class T>
Status LearnerOf<T>::load(const Input<T>& x, bool learns) {
  if (!prepared_) prepare();
  if (inputs_.gathered || inputs_.borrowed) visit_whole();
  if (!x.indices) return load_dense(x.values, learns);
  return x.wide ? load_sparse(static_cast<const int64_t*>(x.indices), x.values, x.count, learns)
                : load_sparse(static_cast<const int32_t*>(x.indices), x.values, x.count, learns);
}

template <class T>
Status LearnerOf<T>::load_dense(const T* x, bool learns) {
  Scratch& s = scratch_[0];
  const int units = plan_->boundaries[0].units, few = inputs_.few;
  bool finite;
  if (s.values.size() > 1) {
    inputs_.full = true;
    finite = kernels_.emit[(int)Activation::linear](x, s.values[0], units, nullptr, &s.emitted);
  } else if (!calls_[0].gathers) {
    inputs_.full = true;
    finite = emit(s, x);
  } else if (s.count <= few) {  // there are mostly as many active rows as before
    inputs_.full = true;
    finite = emit(s, x);
    if (finite && s.count <= few) gather(true, learns);
  } else {  // and more are not worth a list, nor, where that can be, a copy
    inputs_.borrowed = learns && can_borrow(x);
    inputs_.full |= !inputs_.borrowed;
    finite = inputs_.borrowed ? kernels_.look(x, units, &s.emitted) : s.emit(x, s.out, units, nullptr, &s.emitted);
    s.count = s.emitted.active;
    if (finite && s.count <= few) {
      inputs_.full = true;
      emit(s, x);
      gather(true, learns);
    } else if (inputs_.borrowed) {
      calls_[0].forward.x = calls_[0].update.x = x;
    }
  }
  return finite ? Status::ok : Status::input_not_finite;
}

// Whether an update can read the numbers where they are: whole vectors that it does not write.
template <class T>
bool LearnerOf<T>::can_borrow(const T* x) const {
  const auto* at = reinterpret_cast<const std::byte*>(x);
  return scratch_[0].units % kLanes<T> == 0 && (at < block_->data() || at >= block_->data() + block_->size());
}

// The dense input is 0 again.
template <class T>
void LearnerOf<T>::take_back() {
  Scratch& s = scratch_[0];
  T* const x = s.values[0];
  if (inputs_.full) std::fill(x, x + plan_->boundaries[0].padded, T(0));
  else
    for (int i = 0; i < inputs_.placed; ++i) x[s.active[i]] = T(0);
  inputs_.full = false;
  inputs_.placed = 0;
}

// Lists the features that an input names, ascending, or says which is none or named twice.
template <class T>
template <class I>
Status LearnerOf<T>::put_in_order(const I* indices, size_t count) {
  constexpr size_t width = kLanes<T>;
  uint16_t* const lanes = inputs_.lanes;
  Status status = Status::ok;
  size_t i = 0;
  for (; i < count; ++i) {
    const uint64_t at = (uint64_t)indices[i];  // what was negative is large
    if (at >= (uint64_t)plan_->boundaries[0].units) status = Status::index_out_of_range;
    else if (lanes[at / width] >> (at % width) & 1) status = Status::index_twice;
    if (status != Status::ok) break;
    lanes[at / width] |= (uint16_t)(1u << (at % width));
    inputs_.named.insert((int)(at / width));
  }
  bad_ = i;
  const int blocks = inputs_.named.list(inputs_.blocks);
  int32_t* row = scratch_[0].active;
  for (int b = 0; b < blocks; ++b) {
    const int block = inputs_.blocks[b];
    for (unsigned left = lanes[block]; left; left &= left - 1) *row++ = block * (int)width + __builtin_ctz(left);
    lanes[block] = 0;
  }
  inputs_.named.clear();
  return status;
}

template <class T>
template <class I>
Status LearnerOf<T>::load_sparse(const I* indices, const T* values, size_t count, bool learns) {
  Scratch& s = scratch_[0];
  const int units = plan_->boundaries[0].units;
  take_back();
  int32_t* const rows = s.active;
  const bool alone = calls_[0].gathers && count <= (size_t)inputs_.few;  // nobody reads the dense input
  T* const copy = alone ? inputs_.values : nullptr;
  SparseSurvey<T> seen;
  if constexpr (sizeof(I) == 8) seen = kernels_.survey_wide(indices, values, count, units, rows, copy);
  else seen = kernels_.survey_narrow(indices, values, count, units, rows, copy);
  if (!seen.ascending) {
    const Status status = put_in_order(indices, count);
    if (status != Status::ok) return status;
  }
  if (!seen.finite) {
    for (bad_ = 0; std::abs(values[bad_]) <= std::numeric_limits<T>::max();) ++bad_;
    return Status::input_not_finite;
  }
  T* const x = s.values[0];
  if (s.values.size() > 1) {
    for (size_t i = 0; i < count; ++i) x[indices[i]] = values[i];
    inputs_.full = true;
    kernels_.emit[(int)Activation::linear](x, x, units, nullptr, &s.emitted);
    return Status::ok;
  }
  int n = (int)count;
  const bool scatters = !alone || !seen.ascending || !seen.active;
  if (scatters) {
    for (size_t i = 0; i < count; ++i) x[indices[i]] = values[i] + T(0);  // -0 becomes 0
    n = (int)(std::remove_if(rows, rows + count, [x](int32_t row) { return x[row] == T(0); }) - rows);
    inputs_.placed = n;
  }
  for (int i = 0; i < kRowsBehind; ++i) rows[n + i] = spare_row(s.units);
  s.emitted = {n, seen.largest};
  s.count = n;
  if (calls_[0].gathers && n <= inputs_.few) gather(scatters, learns);
  return Status::ok;
}

//---------------------------------------------------------------------------- few active rows of a single output

// The layer is again visited as it lies.
template <class T>
void LearnerOf<T>::visit_whole() {
  const Dense& d = plan_->dense[0];
  const Scratch& s = scratch_[0];
  Call& c = calls_[0];
  inputs_.gathered = inputs_.borrowed = false;
  c.forward.weights = c.update.weights = vector(d, 0);
  c.forward.x = c.update.x = s.out;
  c.forward.inputs = c.update.inputs = d.inputs;
  c.update.columns = d.columns;
  c.update.bias = c.bias = d.has_bias ? bias(d) : nullptr;
  c.update.rows = c.rows = s.active;
}

// Gathers the weights of the listed rows; where asked for, also their inputs from the dense one, and all that an update
// needs beside them.
template <class T>
void LearnerOf<T>::gather(bool inputs, bool fields) {
  const Dense& d = plan_->dense[0];
  const Scratch& s = scratch_[0];
  Call& c = calls_[0];
  const int n = s.count, end = padded<T>(n), columns = end + kLanes<T>;  // the bias is the last vector
  const int count = fields ? 1 + plan_->rule.field_count : 1;
  T* const weights = inputs_.weights;
  for (int f = 0; n < end && f < count; ++f) std::memset(weights + f * columns + end - kLanes<T>, 0, kAlignment);
  for (int i = n; i < end; ++i) inputs_.values[i] = T(0);
  for (int i = 0; inputs && i < n; ++i) inputs_.values[i] = s.out[s.active[i]];
  each_group(count, [&]<int kColumns>(int f) {
    gather_columns<kColumns>(vector(d, 0) + f * (ptrdiff_t)d.columns, d.columns, s.active, n, weights + f * columns,
                             columns);
  });
  inputs_.gathered = true;
  c.forward.weights = c.update.weights = weights;
  c.forward.x = c.update.x = inputs_.values;
  c.forward.inputs = c.update.inputs = n;
  c.update.columns = columns;
  c.update.rows = c.rows = s.all;
  c.update.bias = c.bias = d.has_bias ? weights + end : nullptr;
  for (int f = 0; c.bias && f < count; ++f)
    std::memcpy(c.bias + f * columns, bias(d) + f * (ptrdiff_t)d.columns, kAlignment);
}

template <class T>
void LearnerOf<T>::put_back() {
  const Dense& d = plan_->dense[0];
  const Scratch& s = scratch_[0];
  const Call& c = calls_[0];
  const int columns = c.update.columns;
  each_group(1 + plan_->rule.field_count, [&]<int kColumns>(int f) {
    put_back_columns<kColumns>(vector(d, 0) + f * (ptrdiff_t)d.columns, d.columns, s.active, s.count,
                               inputs_.weights + f * columns, columns);
  });
  for (int f = 0; c.bias && f <= plan_->rule.field_count; ++f)
    std::memcpy(bias(d) + f * (ptrdiff_t)d.columns, c.bias + f * columns, kAlignment);
  visit_whole();
}

// Within an update whose second pass visits all rows.
template <class T>
void LearnerOf<T>::leave_gathered() {
  Scratch& s = scratch_[0];
  for (int i = 0; i < s.count; ++i) s.out[s.active[i]] = inputs_.values[i];
  if (!inputs_.full) inputs_.placed = s.count;
  put_back();
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
