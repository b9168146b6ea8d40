// A learner: one plan, one state, and step(). The interface is the same for float32 and float64.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "kernels/block_set.h"
#include "learner/gauges.h"
#include "learner/input.h"
#include "learner/operation.h"
#include "learner/plan.h"
#include "learner/rewirer.h"
#include "learner/silences.h"
#include "learner/stateful.h"
#include "learner/threads.h"

namespace streamdl {

// Why an example was not learned. Nothing of the learner has changed then.
enum class Status {
  ok,
  input_not_finite,
  index_out_of_range,
  index_twice,
  target_not_finite,
  label_out_of_range,
  overflow,  // a pre-activation, the loss or an update would not be finite
};

// A class index for cross_entropy, else one number per output; or, from whoever learns above the outputs, the gradient
// of a loss there, and its curvature in each output. The learner's own loss plays no part then.
template <class T>
struct Target {
  const T* values = nullptr;
  int64_t label = 0;
  const T *gradient = nullptr, *curvature = nullptr;
};

class Learner : public Stateful {
 public:
  static std::unique_ptr<Learner> build(std::shared_ptr<const Plan> plan);

  const Plan& plan() const { return *plan_; }
  std::shared_ptr<const Plan> shared_plan() const { return plan_; }
  const char* instruction_set() const { return set_->name; }

  const std::vector<FieldEntry>& entries() const override { return plan_->entries; }
  const std::vector<Named>& hyper_names() const override { return plan_->hyper_names; }
  double* hyper() const final { return block_->at<double>(plan_->hyper); }
  std::string check_hyper(size_t index, double value) const override { return plan_->check_hyper(index, value); }
  uint64_t steps() const { return *block_->at<uint64_t>(plan_->steps); }
  // The place in the input of the number or index that was refused last.
  size_t bad() const { return bad_; }

  virtual std::vector<double> utilities(int hidden) const = 0;
  virtual std::vector<uint64_t> ages(int hidden) const = 0;
  uint64_t replacements(int hidden) const { return *block_->at<uint64_t>(plan_->hidden[hidden].replacements); }
  virtual void regenerate(int hidden, int unit) = 0;
  virtual void reset_outputs(const std::vector<int>& units, bool draw) = 0;

  // Gauges begin empty; throws std::invalid_argument, and nothing changed, where a setting is not allowed.
  virtual void start_gauges(const GaugeSettings& settings) = 0;
  virtual void stop_gauges() = 0;
  virtual const Gauges* gauges() const = 0;  // or null

 protected:
  Learner(std::shared_ptr<const Plan> plan);
  std::shared_ptr<const Plan> plan_;
  const InstructionSet* set_;
  size_t bad_ = 0;
};

// Streams of random numbers; the top byte of the last counter word.
enum Stream {
  kInitial = 1,
  kRegenerate = 2,
  kReset = 3,
  kDropout = 4,
  kPerturb = 5,
  kLottery = 6,
  kNoise = 7,
  kImprint = 8,
  kReinit = 9,
  kPartial = 10,
  kWire = 11
};

inline constexpr int kFreshUnits = 16;   // drawn together: the weights of a cache line
inline constexpr int kLongestWait = 64;  // updates that a row waits for

// The place in a learner's table of what takes a row over so many updates, and before them, over what came late.
constexpr uint32_t leap_over(uint64_t updates, bool undrawn) {
  return (uint32_t)updates + (undrawn ? kLongestWait + 1 : 0);
}

// learner.cpp steps; inputs.cpp, lazy_rows.cpp, leaps.cpp, boundary.cpp, sums.cpp, weights.cpp, sharing.cpp, bounds.cpp,
// sparse.cpp and plasticity.cpp hold the other members.
template <class T>
class LearnerOf : public Learner {
 public:
  explicit LearnerOf(std::shared_ptr<const Plan> plan);

  // Predict, then learn from one example. No allocation, lock, system call or exception.
  Status step(const Input<T>& x, const Target<T>& y, double* loss);
  // The same for a caller who holds a FloatingPoint.
  Status step_within(const Input<T>& x, const Target<T>& y, double* loss);
  // One update from the mean gradient of n examples; `bad` is the index of a rejected one.
  Status step_minibatch(const T* xs, const T* ys, const int64_t* labels, int n, double* loss, int* bad);
  Status predict(const Input<T>& x, T* output);
  const T* output() const { return output_; }  // of the last step, before its update
  // The activations of hidden layer `hidden` in the last prediction.
  const T* activation(int hidden) const { return value(hidden + 1); }

  void state_touched() override;
  void state_loaded() override;
  void settle() override {
    const FloatingPoint environment;
    catch_up();
    if (touched_) refresh();
    if (plan_->leaps()) touched_ = true;  // when rows wake is part of what follows: it starts anew, as in a copy
  }
  void hyper_changed() override;
  std::vector<double> utilities(int hidden) const override;
  std::vector<uint64_t> ages(int hidden) const override;
  void regenerate(int hidden, int unit) override;
  void reset_outputs(const std::vector<int>& units, bool draw) override;
  void start_gauges(const GaugeSettings& settings) override;
  void stop_gauges() override { gauges_.reset(); }
  const Gauges* gauges() const override { return gauges_.get(); }

 private:
  // Scratch of one boundary. `values[0]` is the pre-activation (or input), then each operation's result.
  struct Scratch {
    std::vector<std::unique_ptr<Operation<T>>> ops;
    std::vector<T*> values;
    T *delta, *sensitivity, *outgoing_sum, *incoming_change, *exact, *magnitude, *mean;
    T *row_sums[kMaxSums], *unit_sums, *unit_factors;  // of rules that add up over weights; see sums.cpp
    T* correction[kMaxClocks];
    T* decay_correction;
    int32_t *active, *all;
    // The last operation, that is an activation or none: from `in` to `out`.
    bool (*emit)(const T* in, T* out, int units, int32_t* active, Emitted<T>* emitted);
    size_t before;    // operations before it
    int units;        // that the layer above gets
    int32_t* listed;  // `active`, or null where silent units need a visit too
    T* out;           // values.back()
    Emitted<T> emitted;
    int count;  // of rows that the layer above has to visit
    bool sums_stale;
    UtilityArgs<T> worth;         // of the units, with Continual Backprop
    int eligible;                 // mature units, as long as
    uint64_t eligible_until = 0;  // this update has not come
  };

  // One dense layer's calls, made ready when the state was touched or a hyper-parameter changed.
  struct Call {
    void (*sweep)(const ForwardArgs<T>&);
    ForwardArgs<T> forward;
    UpdateArgs<T> update;
    Edges edges;                                                        // of a sparse layer
    void (*back)(const T*, const T*, const T*, T*, const T*, T*, int);  // where one activation is all there is
    T* curved;                                                          // the sensitivities that it takes back, or null
    T largest_input;                                                    // max |x| of the examples that are allowed
    double largest_weight;                                              // max |w| behind them
    double amplifies;                                                   // how far the operations above stretch a delta,
    bool constant;                                                      // if that is the same for every example
    void (*run)(UpdateArgs<T>&);
    void (*run_bounded)(UpdateArgs<T>&);  // or null
    const int32_t* rows;
    T* bias;
    Level level;    // where all its weights come from
    bool plain;     // not incoming, one thread, no fields
    bool straight;  // deltas pass the operations above as they are
    bool propagates, resting, clears, incoming;
    bool cut, shared = false;  // in sections of rows, among threads in this pass: see sharing.cpp
    uint32_t noise[6];         // where this update's draws begin
    bool gathers = false;      // few active rows are visited by themselves
    bool lazy;                 // silent rows wait for their updates,
    bool fades;                // or are visited for their fields alone
    bool moves_silent;         // a sum over a unit's weights changes silent ones, too
  };

  // What is known of the input beside the scratch of its boundary; see inputs.cpp.
  struct Inputs {
    int placed = 0;     // how many of the listed rows have their number in the dense input; all else is 0 there,
    bool full = false;  // unless it was given dense
    BlockSet named;     // blocks of features that an input in no order names,
    uint16_t* lanes;    // the features that it names in each; 0 between calls,
    int32_t* blocks;    // and room for a list of them
    int few;            // with so many active rows or fewer, they are gathered
    bool gathered = false;
    bool borrowed = false;  // the dense input is read where the caller has it
    T* values;              // (rows) the inputs of the gathered rows,
    T* weights;             // [w | field 0 | ...] of theirs, each with that of the bias behind
  };

  // Rows of a layer that wait for their updates; see lazy_rows.cpp.
  struct Waiting {
    uint64_t* current;  // (rows, and the bias) how many updates each one has had,
    int32_t* late;      // room for a list of rows
    uint32_t* missed;   // and of how many updates they missed,
    uint8_t* undrawn;   // (rows, and the bias) whether the noise of its last one, and what else comes late, is due
    double* sums;       // (rows) the rule's sum over each one; or null
  };

  // Closed forms of missed updates; see leaps.cpp.
  struct Leaps {
    bool possible = false;                  // with these hyper-parameters,
    int longest = 1;                        // over so many updates
    bool draws = false;                     // something comes late: the rule's noise, or Shrink & Perturb,
    bool perturbs = false;                  // if it is that,
    double noise = 0;                       // and so much of it
    double hyper[kMaxHypers];               // of the rule that is left without noise
    std::vector<base::SilentUpdate> since;  // what the last k updates come to
    std::vector<Leap<T>> table;             // see leap_over
    bool applied = false;                   // this update, of rules with sums
    bool sums_stale = true;                 // Waiting::sums
  };

  // How far one update can take a weight: to decay |w| + moves |g| + noise. Rules with fields say how far they move.
  struct Reach {
    double decay, moves, noise;
    bool constant;  // and the operations between the layers stretch a delta the same in every example
  };

  // Upper bounds of one dense layer: of |w|, then of every |field|; those of the fields are infinite where
  // they were not followed.
  struct Bounds {
    std::vector<double> most;
    uint64_t measured = 0;  // at this step
  };

  T* value(int b) const { return scratch_[b].values.back(); }
  // The weight from source unit j to output k; whole vectors of weights as they lie in memory; the bias among them.
  T* weight(const Dense& d, size_t j, size_t k) const {
    return block_->at<T>(d.weights) + j * d.row_stride + k * d.output_stride;
  }
  T* vector(const Dense& d, int i) const { return block_->at<T>(d.weights) + i * d.vector_stride; }
  T* bias(const Dense& d) const { return vector(d, d.vectors - 1); }
  T start_value(int field, T weight) const {
    const int start = plan_->rule.fields[field].start;
    if (start == base::kStartsAtWeight) return weight;
    if (start == base::kStartsAtOne) return T(1);
    return start < 0 ? T(0) : (T)hyper()[start];
  }
  // The fields of one weight return to their start values.
  void set_start(T* weight, int columns) const {
    for (int f = 0; f < plan_->rule.field_count; ++f) weight[(f + 1) * columns] = start_value(f, *weight);
  }
  // From a parameter of a unit, of an operation, to its slow value; or 0.
  ptrdiff_t slow_of(const Parameters& p) const {
    return plan_->method(Method::HareAndTortoise) ? (ptrdiff_t)p.columns * (1 + plan_->rule.field_count) : 0;
  }
  double decay_rate() const;                                        // of both kinds
  bool pulled() const { return decay_rate() != 0 || pull() != 0; }  // weights move by themselves
  bool decays() const { return pulled() || clips_in_update(); }
  double pull() const;  // of L2Init
  void keep_first_values();
  void start_at(T* weights, int count, int columns, ptrdiff_t slow);
  double largest_first_value() const;
  std::array<uint32_t, 2> key() const;
  uint64_t updates() const { return *block_->at<uint64_t>(plan_->updates); }

  void prepare_waiting();
  void wake(int l, const int32_t* rows, int first, int count, uint64_t updates);
  void make_up(int l, int late, uint64_t updates, bool by_leaps);
  void wake_layer(int l, uint64_t updates);
  void wake_all(uint64_t updates);
  void wake_all() { wake_all(updates()); }
  void catch_up();
  void all_current();
  void wake_undrawn();
  void rows_updated();
  void look_after_some();

  void prepare_leaps();
  bool silent_update(base::SilentUpdate* update) const;
  void extend_leaps();
  bool keeps_row_sums(int l) const;
  void rebuild_row_sums();
  double sum_of_rows(int l, const int32_t* rows, int count);

  void initialize();
  static bool draws_bias(const Dense& d) { return d.has_bias && (d.init == Init::standard || d.init == Init::signs); }
  void draw_matrix(const Dense& d, uint32_t place);
  static double draw_weight(const Dense& d, double first, double second);
  void draw_edges(const Dense& d, uint32_t place);
  void wire(const Dense& d, uint32_t place);
  int32_t* targets(const Dense& d, int j) const { return block_->at<int32_t>(d.targets) + (size_t)j * d.target_stride; }
  const double* draw_incoming(const Dense& d, uint32_t place, int unit, Stream stream, uint64_t when);
  const double* draw_incoming(const Dense& d, uint32_t place, int unit, Stream stream, uint64_t when, int first, int n);
  const double* draw_initial(const Dense& d, uint32_t place, int unit, uint64_t when);

  void prepare_inputs();
  Status load(const Input<T>& x, bool learns);
  Status load_dense(const T* x, bool learns);
  template <class I> Status load_sparse(const I* indices, const T* values, size_t count, bool learns);
  template <class I> Status put_in_order(const I* indices, size_t count);
  bool can_borrow(const T* x) const;
  void take_back();
  void gather(bool inputs, bool fields);
  void visit_whole();
  void put_back();
  void leave_gathered();
  bool forward(bool train, uint64_t step);
  static bool emit(Scratch& s, const T* in) {
    const bool finite = s.emit(in, s.out, s.units, s.listed, &s.emitted);
    s.count = s.listed ? s.emitted.active : s.units;
    return finite;
  }
  bool forward_ops(int b, bool train, uint64_t step);
  LossResult<T> lose(const Target<T>& y);
  LossResult<T> take_gradient(const Target<T>& y);
  Status examine(const Target<T>& y, LossResult<T>* result);
  bool bounded(T largest_delta);
  bool allow(T largest_delta, bool ahead);
  double stretch(int b, double delta, double* most) const;
  bool ops_fit(int b) const;
  void measure_bounds();
  void measure_bounds(int l);
  void widen_bounds(int l, T weight);
  void forget_bounds();
  bool within_bounds(int l);
  bool extend_bounds(int l);
  bool probe();
  void exact_sensitivities();
  void output_slopes();
  void read_back(int b, bool squared);
  void back_ops(int b, bool sensitivities, bool learns);
  void step_ops();
  void step_ops(int b);
  void step_op(Operation<T>& op);
  // Whether sensitivities pass back with the deltas.
  bool diagonal() const { return plan_->rule.uses_sensitivity && !plan_->spec.optimizer.exact_sensitivity; }
  void tick();
  void learn();
  bool is_cut(const Dense& d) const;
  void prepare_sharing();
  long numbers(long rows, long columns) const;
  void forward_dense(Call& call);
  void share_update(const Call& call, void (*run)(UpdateArgs<T>&), UpdateArgs<T>& a);
  void clear_deltas(Scratch& s) const;
  void update_dense(int l);
  void fade(int l);
  void back_to(int l);

  double* shared_of(int array) const;
  void begin_update();
  void start_noise(uint32_t* noise, uint32_t place, uint64_t update) const;
  void start_noise(uint32_t* noise, uint32_t place) const { start_noise(noise, place, updates()); }
  StoredUpdateArgs<T> stored(int array) const;
  void measure_dense(int l);
  void step_stored(StoredUpdateArgs<T>& a, int array);
  bool sums_units() const { return plan_->rule.sums.count && plan_->rule.sums.scope == base::Scope::unit; }
  T* at_targets(const Dense& d, int j, const T* of, T* into) const;
  void step_vector(int l, int i);
  void step_vectors();
  void add_sums(int array, const T* sums);
  void add_rows(int l, const int32_t* rows, int count);
  bool conclude();
  void conclude_biases_apart(int array);
  void learn_in_two_passes();
  void refresh();
  void prepare();
  uint64_t fingerprint() const;
  bool rows_rest() const;
  bool rows_fade() const;

  void plasticity();
  void continual_backprop(const MethodInfo& method);
  void prepare_plasticity();
  void track_utilities(int hidden, double decay, bool transfers);
  void choose_least(int hidden, const double* hyper);
  void redo(const MethodInfo& method);
  void self_normalized_reset(const MethodInfo& method);
  template <class Visit> void visit_activations(const Visit& visit);
  template <class Visit> void visit_op_gradients(const Visit& visit);
  bool clips_in_update() const;
  T clip_of(const Dense& d) const;
  void clip_weights();
  bool is_due(double period) const;
  T largest_weight(size_t l) const;
  void weights_changed(size_t l, T largest);
  void shrink_and_perturb(const MethodInfo& method);
  void add_fresh(const Dense& d, uint32_t place, double noise);
  template <class Draw, class Visit> void visit_drawn(const Dense& d, const Draw& draw, const Visit& visit);
  void hare_and_tortoise(const MethodInfo& method);
  template <class Visit> void visit_slow(const Visit& visit);
  template <class Visit> void visit_slow_of_operations(const Visit& visit);
  bool predicts_slow() const;
  void look_at_slow(int direction);
  void normalize_and_project(const MethodInfo& method);
  double norm(const Dense& d) const;
  void selective_weight_reinit(const MethodInfo& method);
  void follow_worth(int l, T decay, bool by_gradient);
  bool reinit(int l, const MethodInfo& method);
  size_t choose_least_weights(int l, double fraction, T* limit);
  void continuous_continual_backprop(const MethodInfo& method);
  void follow_partial_utility(int l, double decay);
  void reset_partially(int l, const double* hyper);
  void ensure_sums(int b);
  void rebuild_incoming(int hidden);
  void rebuild_incoming(int hidden, int unit);
  void refine_incoming(int hidden);
  void transfer(int hidden, int unit, double decay);
  void renew(int hidden, int unit, const double* given = nullptr);
  int replaceable(int hidden, double maturity) const;
  const double* imprint(int hidden, const double* h, bool random);
  void imprint_surprises(const MethodInfo& method);
  void rewire(const MethodInfo& method);
  void rewire_row(const MethodInfo& method, int l, int j);
  void track_edges(const MethodInfo& method);
  void renew_chosen();
  void silence(int hidden, int unit);
  void forget(int hidden, int unit);
  void restart(int hidden, int unit);
  template <class Visit> void visit_newborn(const Visit& visit);

  T* allocate(size_t count) { return memory_.allocate<T>(count); }

  const Kernels<T>& kernels_;
  std::vector<Scratch> scratch_;
  Memory memory_;
  std::vector<std::pair<Operation<T>*, const T*>> followers_;  // operations that follow the stream, and their inputs
  std::vector<Bounds> bounds_;                                 // per dense layer
  Inputs inputs_;
  std::vector<Waiting> waiting_;  // per dense layer, or empty
  Leaps leaps_;
  std::vector<std::vector<int>> chosen_;
  std::unique_ptr<Rewirer> rewirer_;           // with a method that moves edges
  std::vector<Silences> silences_;             // per hidden layer, with self-normalised resets
  std::vector<T*> gradients_, sensitivities_;  // of a minibatch, made at its first use,
  T* gathered_[kMaxClocks + 2] = {};           // and what a sparse layer's row leads to
  T* output_;
  std::vector<double> drawn_[3];  // of one unit
  std::vector<double> fresh_;     // of a few units, where many are drawn
  std::vector<std::pair<double, int>> order_;
  std::vector<T> worths_;        // of one layer, with SelectiveWeightReinit
  std::unique_ptr<Pool> pool_;   // with more than one thread, where a layer is large enough
  T* partial_ = nullptr;         // sums of sections of rows, see sharing.cpp,
  int partial_length_ = 0;       // of one
  std::vector<int32_t> silent_;  // room for a list of rows, with rules whose fields fade
  std::vector<Call> calls_;
  Reach reach_;
  T error_ = 0;                                     // the target minus the output
  std::vector<std::array<double, kMaxSums>> sums_;  // of each array of parameters
  std::vector<T> factors_;                          // of biases that count apart, by array
  bool measuring_ = false;                          // affine parameters are measured, not updated
  int allowed_ = 0;                                 // examples with deltas up to this one
  T largest_delta_;
  uint64_t grown_up_, settled_;  // ages: from which on a unit is mature, its utility needs no correction
  bool touched_ = true, prepared_ = false;
  uint64_t weights_seen_ = 0;
  int minibatch_ = 0;                                  // examples, within step_minibatch,
  std::vector<std::vector<T>> minibatch_activations_;  // and what the hidden units did in each
  bool unclipped_ = true;                              // weights that no update visits may exceed their bound
  std::unique_ptr<GaugesOf<T>> gauges_;                // or none
};

// Calls visit(weight, source unit, output, number) for the numbers that draw(output) gives, one per source and one for
// the bias; a few outputs at a time, since their weights share cache lines.
template <class T>
template <class Draw, class Visit>
void LearnerOf<T>::visit_drawn(const Dense& d, const Draw& draw, const Visit& visit) {
  const size_t stride = (size_t)d.inputs + 1;
  for (int begin = 0; begin < d.outputs; begin += kFreshUnits) {
    const int units = std::min(kFreshUnits, d.outputs - begin);
    for (int u = 0; u < units; ++u) {
      const double* drawn = draw(begin + u);
      std::copy(drawn, drawn + stride, fresh_.data() + u * stride);
    }
    for (int j = 0; j <= d.inputs; ++j)
      for (int u = 0; u < units; ++u) {
        T* const w = j < d.inputs ? weight(d, (size_t)j, (size_t)(begin + u)) : bias(d) + begin + u;
        visit(w, j, begin + u, fresh_[u * stride + j]);
      }
  }
}

}  // namespace streamdl
