#include "learner/learner.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/dispatch.h"

namespace streamdl {

namespace {

// A row of a large layer and the next one, with what lies beside their weights, overfill a first cache of 32 KiB: there they
// come faster as they lie in memory.
bool small_first_cache() {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  static const bool small = sysconf(_SC_LEVEL1_DCACHE_SIZE) <= 32 << 10;
  return small;
#else
  return false;
#endif
}

}  // namespace

//---------------------------------------------------------------------------- the untyped part

Learner::Learner(std::shared_ptr<const Plan> plan)
    : Stateful(plan->bytes), plan_(std::move(plan)), set_(&chosen_instruction_set()) {}

std::unique_ptr<Learner> Learner::build(std::shared_ptr<const Plan> plan) {
  const FloatingPoint environment;
  if (plan->spec.twice) return std::make_unique<LearnerOf<double>>(std::move(plan));
  return std::make_unique<LearnerOf<float>>(std::move(plan));
}

//---------------------------------------------------------------------------- building

template <class T>
LearnerOf<T>::LearnerOf(std::shared_ptr<const Plan> plan) : Learner(std::move(plan)), kernels_(kernels_of<T>(*set_)) {
  for (const Boundary& b : plan_->boundaries) {
    Scratch s{};
    int most = std::max(b.units, b.sent);
    for (const UnitOp& op : b.ops) most = std::max(most, op.out.size());
    const int room = padded<T>(most) + kLanes<T>;  // for the spare row
    s.values.push_back(allocate(room));
    for (const UnitOp& op : b.ops) {
      s.values.push_back(allocate(room));
      s.ops.push_back(make_operation<T>(op, kernels_, *block_));
      if (!op.states.empty()) followers_.push_back({s.ops.back().get(), s.values[s.ops.size() - 1]});
    }
    for (T** vector : {&s.delta, &s.sensitivity, &s.outgoing_sum, &s.incoming_change, &s.exact, &s.magnitude, &s.mean,
                       &s.decay_correction})
      *vector = allocate(room);
    for (T*& sums : s.row_sums) sums = plan_->rule.sums.count ? allocate(room) : nullptr;
    for (T** vector : {&s.unit_sums, &s.unit_factors}) *vector = sums_units() ? allocate(room) : nullptr;
    for (T*& correction : s.correction) {
      correction = allocate(room);
      std::fill(correction, correction + room, T(1));
    }
    for (auto& op : s.ops)
      if (!op->plan().clocked) op->share_corrections(s.correction);
    for (int32_t** list : {&s.active, &s.all}) *list = memory_.allocate<int32_t>(room + 32);
    for (int i = 0; i < room + 32; ++i) s.all[i] = i < b.sent ? i : spare_row(b.sent);
    s.sums_stale = true;
    const bool activates = !b.ops.empty() && b.ops.back().spec.kind == LayerSpec::Kind::activation;
    s.emit = kernels_.emit[(int)(activates ? b.ops.back().spec.activation : Activation::linear)];
    s.before = b.ops.size() - activates;
    s.units = b.sent;
    s.listed = b.skips ? s.active : nullptr;
    s.out = s.values.back();
    scratch_.push_back(std::move(s));
  }
  output_ = allocate(padded<T>(plan_->boundaries.back().sent));
  int most = 0;
  plan_->each_matrix([&](const Dense& d, uint32_t) { most = std::max({most, d.inputs + 1, d.edges ? d.outputs : 0}); });
  for (std::vector<double>& numbers : drawn_) numbers.resize(most);
  order_.resize(most);
  if (plan_->method(Method::ShrinkAndPerturb) || plan_->method(Method::ContinuousContinualBackprop))
    fresh_.resize((size_t)most * kFreshUnits);
  if (plan_->method(Method::SelectiveWeightReinit))
    for (const Dense& d : plan_->dense) worths_.resize(std::max(worths_.size(), (size_t)d.inputs * d.outputs));
  calls_.resize(plan_->dense.size());
  bounds_.resize(plan_->dense.size(), Bounds{std::vector<double>(1 + plan_->rule.field_count)});
  gradients_.resize(plan_->dense.size());
  sensitivities_.resize(plan_->dense.size());
  for (const Boundary& b : plan_->boundaries) chosen_.emplace_back().reserve(b.units);
  if (plan_->method(Method::SelfNormalizedReset))
    for (size_t i = 0; i < plan_->hidden.size(); ++i) {
      const UnitState& u = plan_->hidden[i];
      silences_.emplace_back(plan_->dense[i].outputs, block_->at<uint64_t>(u.fired), block_->at<uint64_t>(u.past),
                             block_->at<uint64_t>(u.histogram));
    }
  if (plan_->edge_methods) rewirer_ = std::make_unique<Rewirer>(*plan_);
  sums_.resize(plan_->array_names.size());
  factors_.resize(plan_->array_names.size());
  if (plan_->rule.fades) silent_.resize(most + 1);
  prepare_inputs();
  prepare_sharing();
  prepare_waiting();
  initialize();
}

template <class T>
double LearnerOf<T>::decay_rate() const {
  const double* common = hyper() + plan_->rule.hypers;
  return plan_->rule.common_hypers ? common[0] + common[1] : 0;
}

template <class T>
double LearnerOf<T>::pull() const {
  const MethodInfo* method = plan_->method(Method::L2Init);
  return method ? hyper()[method->hyper] : 0;
}

// Whether an update leaves the weights of a source that is 0 as they are, with their fields,
template <class T>
bool LearnerOf<T>::rows_rest() const {
  return plan_->rule.silent_rows_rest && !pulled();
}

// or but for their fields.
template <class T>
bool LearnerOf<T>::rows_fade() const {
  return plan_->rule.fades && plan_->rule.fades(hyper(), plan_->options.data()) && !pulled();
}

template <class T>
uint64_t LearnerOf<T>::fingerprint() const {
  uint64_t seen = 1469598103934665603ull;
  for (const Dense& d : plan_->dense)
    for (int v = 0; v + 1 < d.vectors; ++v) {
      const auto* bytes = reinterpret_cast<const unsigned char*>(vector(d, v));
      for (size_t i = 0; i < d.columns * sizeof(T); i += 4) {
        uint32_t word;
        std::memcpy(&word, bytes + i, 4);
        seen = (seen ^ word) * 1099511628211ull;
      }
    }
  return seen;
}

template <class T>
void LearnerOf<T>::state_touched() {
  if (touched_) return;  // the weights as they were before the first look count
  const FloatingPoint environment;
  catch_up();
  state_loaded();
}

template <class T>
void LearnerOf<T>::state_loaded() {
  const FloatingPoint environment;
  if (plan_->incoming_sums) weights_seen_ = fingerprint();
  all_current();
  touched_ = true;
}

// What waits to be done to the state is done.
template <class T>
void LearnerOf<T>::catch_up() {
  wake_all();
  for (Silences& silences : silences_) silences.settle();
}

// Drops everything that is derived from the state. Incoming sums are part of the state, kept from step to
// step; they are rebuilt only if a weight really was written, so that looking changes no bit.
template <class T>
void LearnerOf<T>::refresh() {
  touched_ = false;
  hyper_changed();
  measure_bounds();
  unclipped_ = true;
  for (Scratch& s : scratch_) s.sums_stale = true;
  leaps_.sums_stale = true;
  if (plan_->incoming_sums && fingerprint() != weights_seen_)
    for (size_t i = 0; i < plan_->hidden.size(); ++i) rebuild_incoming((int)i);
}

//---------------------------------------------------------------------------- forward

template <class T>
bool LearnerOf<T>::forward(bool train, uint64_t step) {
  if (scratch_[0].values.size() > 1 && !forward_ops(0, train, step)) return false;
  const int layers = (int)calls_.size();
  for (int l = 0; l < layers; ++l) {
    ForwardArgs<T>& a = calls_[l].forward;
    a.row_count = scratch_[l].count;
    if (calls_[l].lazy) wake(l, scratch_[l].active, 0, a.row_count, updates());
    if (calls_[l].cut) forward_dense(calls_[l]);
    else calls_[l].sweep(a);
    const bool lost = train && l + 1 == layers && scratch_[layers].values.size() == 1;  // the loss looks at them
    if (!lost && !forward_ops(l + 1, train, step)) return false;
  }
  return true;
}

template <class T>
LossResult<T> LearnerOf<T>::lose(const Target<T>& y) {
  if (y.gradient) return take_gradient(y);
  Scratch& s = scratch_.back();
  return kernels_.loss[(int)plan_->spec.loss](s.out, y.values, (int)y.label, s.units, s.delta,
                                              plan_->rule.uses_sensitivity ? s.sensitivity : nullptr);
}

template <class T>
LossResult<T> LearnerOf<T>::take_gradient(const Target<T>& y) {
  Scratch& s = scratch_.back();
  const int n = s.units, behind = padded<T>(n);
  std::fill(std::copy(y.gradient, y.gradient + n, s.delta), s.delta + behind, T(0));
  T most(0), look(0);  // NaN where a number is not finite
  for (int k = 0; k < n; ++k) {
    most = std::max(most, std::abs(s.delta[k]));
    look += T(0) * s.delta[k] + T(0) * s.out[k];
  }
  if (plan_->rule.uses_sensitivity) {
    std::fill(std::copy(y.curvature, y.curvature + n, s.sensitivity), s.sensitivity + behind, T(0));
    for (int k = 0; k < n; ++k) look += T(0) * s.sensitivity[k];
  }
  return {look == T(0), 0.0, most};
}

// Checks the target and computes the loss, delta and curvature of the outputs.
template <class T>
Status LearnerOf<T>::examine(const Target<T>& y, LossResult<T>* result) {
  const int n = scratch_.back().units;
  const bool classes = plan_->spec.loss == Loss::cross_entropy;
  if (classes && !(y.label >= 0 && y.label < n)) return Status::label_out_of_range;
  *result = lose(y);
  if (result->finite) return Status::ok;
  if (y.gradient) return Status::overflow;
  for (int i = 0; !classes && i < n; ++i)
    if (!(std::abs(y.values[i]) <= std::numeric_limits<T>::max())) return Status::target_not_finite;
  return Status::overflow;
}

//---------------------------------------------------------------------------- reading back

// delta of boundary b - 1's values from delta at boundary b's pre-activations; reads weights only.
template <class T>
void LearnerOf<T>::read_back(int b, bool squared) {
  const Dense& d = plan_->dense[b - 1];
  Scratch& in = scratch_[b - 1];
  UpdateArgs<T> a{};
  a.weights = vector(d, 0);
  a.row_stride = (ptrdiff_t)d.row_stride;
  a.output_stride = (ptrdiff_t)d.output_stride;
  a.columns = plan_->boundaries[b].padded;
  a.used = d.edges ? d.edges : d.outputs;
  a.inputs = d.inputs;
  a.x = value(b - 1);
  a.rests = plan_->boundaries[b - 1].skips;
  a.rows = a.rests ? in.active : in.all;
  a.row_count = in.count;
  a.delta = squared ? scratch_[b].sensitivity : scratch_[b].delta;
  a.input_delta = squared ? in.sensitivity : in.delta;
  a.edges = &calls_[b - 1].edges;
  if (d.by_output) return kernels_.backward_by_output(a, squared);
  std::fill(a.input_delta, a.input_delta + padded<T>(in.units), T(0));
  (d.edges ? kernels_.backward_edges : kernels_.backward)(a, squared);
}

//---------------------------------------------------------------------------- backward

// beta^t of every unit, and the bias corrections 1 / (1 - beta^t).
template <class T>
void LearnerOf<T>::tick() {
  for (int c = 0; c < plan_->rule.clock_count; ++c) {
    const double beta = hyper()[plan_->rule.clocks[c]];
    auto advance = [&](size_t clock, int units, T* correction) {
      double* power = block_->at<double>(clock);
      for (int k = 0; k < units; ++k) {
        power[k] *= beta;
        correction[k] = (T)(1 / (1 - power[k]));
      }
    };
    for (size_t b = 0; b < plan_->boundaries.size(); ++b) {
      advance(plan_->boundaries[b].clock[c], plan_->boundaries[b].clocked(), scratch_[b].correction[c]);
      for (auto& op : scratch_[b].ops)
        if (op->plan().clocked) advance(op->plan().clock[c], op->plan().clocked, op->correction(c));
    }
  }
}

// S of every pre-activation: the sum over outputs k of c_k (d output_k / d a)^2, one pass per output; and the d of the
// operations' parameters.
template <class T>
void LearnerOf<T>::exact_sensitivities() {
  const int last = (int)plan_->dense.size();
  Scratch& s = scratch_[last];
  const int padded_outputs = padded<T>(s.units);
  std::memcpy(s.mean, s.delta, sizeof(T) * padded_outputs);  // delta is needed again
  for (int b = 0; b <= last; ++b) {
    std::fill(scratch_[b].exact, scratch_[b].exact + plan_->boundaries[b].padded, T(0));
    for (auto& op : scratch_[b].ops) op->clear_sensitivities();
  }
  for (int k = 0; k < s.units; ++k) {
    std::fill(s.delta, s.delta + padded_outputs, T(0));
    s.delta[k] = T(1);
    const T curvature = s.sensitivity[k];
    for (int b = last; b >= 0; --b) {
      back_ops(b, false, false);
      for (auto& op : scratch_[b].ops) op->add_squares(curvature);
      if (b == 0) break;
      for (int i = 0; i < plan_->boundaries[b].units; ++i)
        scratch_[b].exact[i] += curvature * (scratch_[b].delta[i] * scratch_[b].delta[i]);
      if (!calls_[b - 1].propagates) break;
      read_back(b, false);
    }
  }
  std::memcpy(s.delta, s.mean, sizeof(T) * padded_outputs);
}

template <class T>
void LearnerOf<T>::hyper_changed() {
  prepared_ = false;
}

template <class T>
void LearnerOf<T>::prepare() {
  prepared_ = true;
  prepare_plasticity();
  if (const MethodInfo* method = plan_->method(Method::SelfNormalizedReset))
    for (Silences& silences : silences_)
      silences.judge_by(hyper()[method->hyper + base::SelfNormalizedReset::threshold],
                        hyper()[method->hyper + base::SelfNormalizedReset::minimum]);
  prepare_leaps();
  const bool decay = decays();
  const bool fade_alone = rows_fade();
  auto fades = [&](size_t layer) { return fade_alone && plan_->lists_silent(layer) && !plan_->waits(layer); };
  auto rests = [&](size_t layer) {
    return rows_rest() || (layer < calls_.size() && (plan_->waits(layer) || fades(layer)));
  };
  const double step_size = hyper()[0], most_normal = 6;
  reach_ = {1 + step_size * (decay_rate() + pull()), plan_->rule.field_count ? 0 : step_size,
            plan_->rule.uses_noise ? step_size * hyper()[1] * most_normal : 0, !plan_->rule.field_count};
  if (leaps_.perturbs) reach_.noise += leaps_.noise * most_normal;
  if (pull() != 0) reach_.noise += step_size * pull() * largest_first_value();
  unclipped_ = true;
  allowed_ = 0;
  for (size_t l = 0; l < calls_.size(); ++l) {
    const Dense& d = plan_->dense[l];
    const Boundary& source = plan_->boundaries[l];
    Scratch &in = scratch_[l], &out = scratch_[l + 1];
    Call& call = calls_[l];
    call.sweep = d.by_output ? kernels_.forward_by_output : d.edges ? kernels_.forward_edges : kernels_.forward;
    call.cut = is_cut(d);
    call.forward = {vector(d, 0),
                    (ptrdiff_t)d.row_stride,
                    source.skips ? in.active : in.all,
                    0,
                    in.values.back(),
                    bias(d),
                    out.values[0],
                    0,
                    d.outputs,
                    d.level,
                    d.inputs,
                    (ptrdiff_t)d.output_stride,
                    d.edges,
                    &call.edges};
    if (d.edges)
      call.edges = {targets(d, 0), d.target_stride, d.block > 1,
                    d.outputs,     d.bias_columns,  d.offset_of(d.vectors - 1, d.anchor)};
    call.resting = rests(l) && source.skips;
    call.lazy = plan_->waits(l) && (!rows_rest() || leaps_.draws);
    call.fades = fades(l);
    call.propagates = l > 0;
    for (const UnitOp& op : source.ops) call.propagates |= op.parameter >= 0;
    // Another activation above all else clears the deltas of silent units itself, an update by output as well.
    const bool alone = source.ops.size() == 1 && source.ops[0].spec.kind == LayerSpec::Kind::activation;
    call.clears = !d.by_output && call.propagates && source.skips && (!alone || (rests(l) && source.passes));
    const std::vector<UnitOp>& above = plan_->boundaries[l + 1].ops;
    call.straight = above.empty() || (rests(l + 1) && plan_->boundaries[l + 1].passes);
    call.back = !call.straight && above.size() == 1 && above[0].spec.kind == LayerSpec::Kind::activation
                    ? kernels_.activate_back[(int)above[0].spec.activation]
                    : nullptr;
    call.curved = diagonal() ? out.sensitivity : nullptr;
    call.constant = true;
    for (const auto& op : out.ops) call.constant &= op->constant();
    call.amplifies = call.constant ? stretch(l + 1, 1, nullptr) : 1;
    reach_.constant &= call.constant && (l > 0 || !call.propagates);
    unsigned mode = (call.propagates ? (unsigned)kPropagate : 0u) | (decay ? (unsigned)kDecay : 0u);
    call.incoming = plan_->incoming_sums && l + 1 < calls_.size();
    if (plan_->method(Method::ContinualBackprop)) {
      const Utility u = plan_->utility();
      if (l > 0 && u != Utility::adaptation && u != Utility::feature_by_input) mode |= kOutgoingSums;
      if (call.incoming) mode |= kIncomingSums;
    }
    const bool quiet = call.lazy && plan_->rule.uses_noise;  // noise comes late
    const auto& rule = kernels_.rules[quiet ? plan_->rule.index_without_noise : plan_->rule.index];
    const auto& update = d.by_output ? rule.update_by_output : rule.update;
    call.run = d.edges ? rule.update_edges[decay] : update[mode];
    call.plain = !plan_->rule.field_count && !pool_ && !call.incoming;
    // While memory is waited for, a look at each value costs nothing; Adam's rows even come faster with it. Where it
    // comes with decay and clipping, those do cost.
    const bool looks = d.edges || (d.level == Level::memory && plan_->rule.many_modes);
    call.run_bounded = looks ? nullptr : update[mode | kBounded];
    call.moves_silent = false;
    UpdateArgs<T>& a = call.update = {};
    a.weights = vector(d, 0);
    a.row_stride = (ptrdiff_t)d.row_stride;
    a.columns = d.columns;
    a.used = d.edges ? d.edges : d.outputs;
    a.edges = &call.edges;
    a.rows = call.rows = call.resting ? in.active : in.all;
    a.bias = call.bias = d.has_bias ? bias(d) : nullptr;
    a.x = in.values.back();
    a.delta = out.delta;
    a.sensitivity = diagonal() ? out.sensitivity : out.exact;
    for (int k = 0; k < plan_->rule.clock_count; ++k) {
      a.row_correction[k] = in.correction[k];
      a.column_correction[k] = out.correction[k];
    }
    a.input_delta = in.delta;
    a.input_sensitivity = in.sensitivity;
    a.outgoing_sum = in.outgoing_sum;
    a.incoming_change = out.incoming_change;
    for (int k = 0; k < kMaxSums; ++k) a.row_sums[k] = in.row_sums[k];
    a.unit_sums = out.unit_sums;
    a.unit_factors = out.unit_factors;
    a.hyper = quiet ? leaps_.hyper : hyper();
    a.options = plan_->options.data();
    a.shared = shared_of(d.array);
    a.bias_shared = d.has_bias ? shared_of(d.array + 1) : nullptr;
    a.noise = call.noise;
    a.pull = (T)pull();
    a.anchor = pull() != 0 ? d.anchor : 0;
    a.in_order = a.anchor && !plan_->rule.field_count && small_first_cache();
    a.clip = clips_in_update() ? clip_of(d) : std::numeric_limits<T>::infinity();
    a.level = call.level = d.level;
    a.inputs = d.inputs;
    a.output_stride = (ptrdiff_t)d.output_stride;
    a.rests = call.resting;
    a.propagates = call.propagates;
    call.gathers = l == 0 && d.by_output && call.resting && !d.anchor && !d.slow && !d.worth &&
                   (!plan_->rule.sums.count || sums_units());
    if (l == 0) inputs_.gathered = inputs_.borrowed = false;
  }
}

template <class T>
void LearnerOf<T>::clear_deltas(Scratch& s) const {
  for (int i = 0; i < s.units; i += kLanes<T>) std::memset(s.delta + i, 0, 64);
  for (int i = 0; plan_->rule.uses_sensitivity && i < s.units; i += kLanes<T>) std::memset(s.sensitivity + i, 0, 64);
}

template <class T>
void LearnerOf<T>::update_dense(int l) {
  Call& call = calls_[l];
  const Dense& d = plan_->dense[l];
  Scratch& out = scratch_[l + 1];
  UpdateArgs<T>& a = call.update;
  const int count = a.row_count;
  const int32_t* const rows = a.rows;
  double& most = bounds_[l].most[0];
  a.limit = (T)most;
  a.largest = T(0);
  a.cancelled = 0;
  if (!call.incoming) {
    const auto run = plan_->rule.field_count && within_bounds(l) ? call.run_bounded : call.run;
    if (pool_) share_update(call, run, a);
    else run(a);
  } else {
    // Incoming sums add up over fixed tiles of rows, so that no split of the rows changes a bit.
    T* sum = block_->at<T>(plan_->hidden[l].incoming_sum);
    for (int begin = 0; begin == 0 || begin < count; begin += 256) {
      a.rows = rows + begin;
      a.row_count = std::min(256, count - begin);
      a.bias = begin + 256 >= count ? call.bias : nullptr;
      std::fill(out.incoming_change, out.incoming_change + d.columns, T(0));
      call.run(a);
      for (int k = 0; k < d.outputs; ++k) sum[k] += out.incoming_change[k];
    }
  }
  if (call.fades && !plan_->rule.sums.before) fade(l);
  cancelled_ += a.cancelled;
  if (plan_->rule.sums.count && !plan_->rule.sums.before) add_rows(l, rows, count);
  // Twice what was seen, so that growing weights leave the fast path only now and then.
  if (plan_->rule.field_count && a.largest > most)
    most = std::min<double>(2.0 * a.largest, std::numeric_limits<T>::max());
}

// The fields of silent rows.
template <class T>
void LearnerOf<T>::fade(int l) {
  UpdateArgs<T> a = calls_[l].update;
  const T* const x = value(l);
  a.row_count = 0;
  for (int j = 0; j < a.inputs; ++j)
    if (x[j] == 0) silent_[a.row_count++] = j;
  silent_[a.row_count] = spare_row(a.inputs);
  a.rows = silent_.data();
  a.bias = nullptr;
  const auto run = kernels_.rules[plan_->rule.index].fade;
  if (pool_ && !sums_units()) share_update(calls_[l], run, a);
  else run(a);
}

// The deltas of layer l's outputs, from those of the values that they become.
template <class T>
void LearnerOf<T>::back_to(int l) {
  Call& c = calls_[l];
  const Scratch& s = scratch_[l + 1];
  if (c.back) c.back(s.values[0], s.out, s.delta, s.delta, c.curved, c.curved, s.units);
  else if (!c.straight) back_ops(l + 1, diagonal(), true), step_ops(l + 1);
  if (c.clears) clear_deltas(scratch_[l]);
  c.update.rows = c.rows;
  c.update.row_count = c.resting ? scratch_[l].count : scratch_[l].units;
  // With gaps between the rows that are visited, they are not read as they lie.
  if (c.level == Level::memory)
    c.update.level = c.update.row_count > scratch_[l].units / 4 * 3 ? Level::memory : Level::far;
}

template <class T>
void LearnerOf<T>::learn() {
  if (*block_->at<uint64_t>(plan_->updates) == 0) keep_first_values();
  if (plan_->rule.clock_count) tick();
  if (plan_->rule.shared_count || plan_->rule.sums.count || plan_->rule.uses_noise) begin_update();
  if (plan_->rule.sums.before) return learn_in_two_passes();
  for (int l = (int)calls_.size(); l-- > 0;) {
    back_to(l);
    if (calls_[l].plain) calls_[l].run(calls_[l].update);
    else update_dense(l);
  }
  if (calls_[0].propagates) back_ops(0, diagonal(), true), step_ops(0);
  if (plan_->rule.sums.count) conclude();
}

//---------------------------------------------------------------------------- stepping

template <class T>
Status LearnerOf<T>::step(const Input<T>& x, const Target<T>& y, double* loss) {
  const FloatingPoint environment;
  return step_within(x, y, loss);
}

template <class T>
Status LearnerOf<T>::step_within(const Input<T>& x, const Target<T>& y, double* loss) {
  if (touched_) refresh();
  Status status = load(x, true);
  if (status != Status::ok) return status;
  if (!forward(true, steps())) return Status::overflow;
  LossResult<T> result;
  status = examine(y, &result);
  if (status != Status::ok) return status;
  const T delta = plan_->rule.descends_output ? std::max(result.largest_delta, T(1)) : result.largest_delta;
  if (!bounded(delta)) {
    measure_bounds();
    if (!bounded(delta)) {
      measure_bounds();
      if (!probe()) return Status::overflow;
      lose(y);          // the probe used the deltas up
      forget_bounds();  // it looked at this update alone
    }
  }
  if (plan_->spec.optimizer.exact_sensitivity) exact_sensitivities();
  if (plan_->rule.uses_output_slope) output_slopes();
  const Scratch& last = scratch_.back();
  for (int i = 0; i < last.units; i += kLanes<T>) std::memcpy(output_ + i, last.out + i, 64);
  *loss = result.loss;
  const bool watched = gauges_ && gauges_->watches(steps());
  if (watched) {
    wake_all();
    gauges_->before_update(steps(), rows_rest() || rows_fade());
  }
  learn();
  if (inputs_.gathered) put_back();
  if (!waiting_.empty()) rows_updated();
  const bool clips = unclipped_ && clips_in_update();
  if (watched && leaps_.perturbs) wake_undrawn();  // gauges tell updates from what methods do
  else if (watched || clips) wake_all(updates() + 1);
  if (clips) clip_weights();  // those of silent rows, too
  for (auto [op, in] : followers_) op->learned(in);
  if (watched) gauges_->after_update();
  if (!waiting_.empty()) look_after_some();
  if (gauges_) gauges_->observe(steps());
  ++*block_->at<uint64_t>(plan_->updates);
  ++*block_->at<uint64_t>(plan_->steps);
  if (!plan_->spec.plasticity.empty()) plasticity();
  return Status::ok;
}

template <class T>
Status LearnerOf<T>::predict(const Input<T>& x, T* output) {
  const FloatingPoint environment;
  const Status status = load(x, false);
  if (status != Status::ok) return status;
  const bool slow = predicts_slow();
  if (slow) look_at_slow(1);
  const bool finite = forward(false, 0);
  if (slow) look_at_slow(-1);
  if (!finite) return Status::overflow;
  std::memcpy(output, scratch_.back().values.back(), sizeof(T) * scratch_.back().units);
  return Status::ok;
}

template class LearnerOf<float>;
template class LearnerOf<double>;

}  // namespace streamdl
