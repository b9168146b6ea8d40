// One step of linear temporal-difference learning.
//
// First everything that can be refused is computed, from the state as it is: predictions, error, sums. Then the
// eligible blocks are swept. Sums run over the blocks of an input in ascending order, so that an input given as a
// vector and as indices and values give the same bits, and nobody else's presence changes one.
#pragma once

#include "kernels/cpu/dense.h"
#include "kernels/td.h"
#include "rules/td/list.h"

STREAMDL_BEGIN

template <class Rule>
inline constexpr int kTDFields = sizeof(Rule::fields) / sizeof(Rule::fields[0]);
template <class Rule>
inline constexpr int kTDHypers = sizeof(Rule::hypers) / sizeof(Rule::hypers[0]);
// The fields that a sweep reads and writes: all but the fresh ones.
template <class Rule>
constexpr int swept_fields() {
  if constexpr (requires { Rule::fresh; }) return Rule::fresh;
  else return kTDFields<Rule>;
}
template <class T>
inline constexpr int kBlock = Lanes<T>::width;

//---------------------------------------------------------------------------- inputs

template <class T>
bool take(TDArgs<T>& a, const T* x) {
  using V = Lanes<T>;
  bool finite = true;
  int count = 0;
  uint64_t word = 0;
  for (int b = 0; b < a.eligible.blocks; ++b) {
    const int j = b * V::width;
    const V in = (j + V::width <= a.features ? load(x + j) : load_first(x + j, a.features - j)) + V(0);
    finite &= all(abs(in) <= V(kFinite<T>));
    if (any(in != V(0))) {
      store(a.next + j, in);
      a.arrived.blocks[count++] = b;
      word |= (uint64_t)1 << (b & 63);
    }
    if ((b & 63) == 63 || b + 1 == a.eligible.blocks) {
      a.arrived.set.words[b >> 6] = word;
      if (word) a.arrived.set.summary[b >> 12] |= (uint64_t)1 << (b >> 6 & 63);
      word = 0;
    }
  }
  a.arrived.count = count;
  return finite;
}

template <class T>
void release(TDArgs<T>& a) {
  for (int i = 0; i < a.arrived.count; ++i) store(a.next + a.arrived.blocks[i] * kBlock<T>, Lanes<T>(0));
  a.arrived.count = 0;
  a.arrived.set.clear();
}

// w.x over the blocks of x.
template <class T>
STREAMDL_HD T predicted(const T* w, const T* x, const BlockList& of) {
  using V = Lanes<T>;
  const int32_t* const blocks = of.blocks;
  const int count = of.count;
  V total[4] = {V(0), V(0), V(0), V(0)};
  auto add = [&](V& to, int b)
                 __attribute__((always_inline)) { to = fma(load(x + b * V::width), load(w + b * V::width), to); };
  int i = 0;
  for (; i + 4 <= count; i += 4)
    for (int r = 0; r < 4; ++r) add(total[r], blocks[i + r]);
  for (int r = 0; r < 3; ++r)
    if (i + r < count) add(total[r], blocks[i + r]);
  return sum((total[0] + total[1]) + (total[2] + total[3])) + T(0);
}

template <class T>
T predict_next(const TDArgs<T>& a) {
  return predicted(a.weights, a.next, a.arrived);
}

//---------------------------------------------------------------------------- blocks

template <class Rule, class V, class T>
STREAMDL_HD void spread(const T* c, V (&lanes)[Rule::constants]) {
  for (int k = 0; k < Rule::constants; ++k) lanes[k] = V(c[k]);
}

// The pieces of a block, see Register.
template <class T, class Piece>
STREAMDL_HD void each_piece(int b, const Piece& piece) {
  constexpr int width = Register<T>::width;
#pragma GCC unroll 2
  for (int i = 0; i < kBlock<T> / width; ++i) piece((ptrdiff_t)b * kBlock<T> + i * width, i);
}

// Where w and the fields lie.
template <class Rule, class T>
struct Arrays {
  T *w, *field[kTDFields<Rule>];
  STREAMDL_HD explicit Arrays(const TDArgs<T>& a) : w(a.weights) {
    for (int k = 0; k < kTDFields<Rule>; ++k) field[k] = a.weights + (k + 1) * a.columns;
  }
};

// A number that is finite only where w and the fields are, but for those that show in w.
template <class Rule, int kCount, class V>
STREAMDL_HD V looked_at(V w, const V* f) {
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k)
    if (!Rule::fields[k].shows_in_weight) w = w + f[k];
  return w;
}

// The traces among the fields, as one number that is 0 where all of them are.
template <class Rule, int kCount, class V>
STREAMDL_HD V traces(const V* f) {
  V total(0);
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k)
    if (Rule::fields[k].trace) total = total + abs(f[k]);
  return total;
}

template <class T>
STREAMDL_HD bool any_nonzero(const T* block) {
  return any(load(block) != Lanes<T>(0));
}

//---------------------------------------------------------------------------- sums

template <class Rule, class T>
STREAMDL_HD void measure(const TDArgs<T>& a, TDCall<T>& call, const T* constants) {
  using V = Register<T>;
  constexpr int kPieces = kBlock<T> / V::width;
  const Arrays<Rule, T> at(a);
  V c[Rule::constants], total[kMaxTDSums][kPieces];
  spread<Rule>(constants, c);
  for (auto& sums : total)
    for (V& s : sums) s = V(0);
  auto block = [&](int b) __attribute__((always_inline)) {
    each_piece<T>(b, [&](ptrdiff_t j, int i) __attribute__((always_inline)) {
      V f[kTDFields<Rule>], sums[kMaxTDSums];
      for (int k = 0; k < kTDFields<Rule>; ++k) f[k] = load_register(at.field[k] + j);
      for (int k = 0; k < kMaxTDSums; ++k) sums[k] = total[k][i];
      V x(0);
      if constexpr (Rule::looks_back) x = load_register(a.input + j);
      const V next = load_register(a.next + j);
      if constexpr (requires { Rule::fresh; }) store(a.saved + j, Rule::measure(V(0), f, x, next, c, sums));
      else Rule::measure(V(0), f, x, next, c, sums);
      for (int k = 0; k < kMaxTDSums; ++k) total[k][i] = sums[k];
    });
  };
  if constexpr (Rule::measures != TDMeasures::now)
    for (int i = 0; i < a.left.count; ++i) block(a.left.blocks[i]);
  if (Rule::measures == TDMeasures::now || (Rule::measures == TDMeasures::both && call.ordinary))
    for (int i = 0; i < a.arrived.count; ++i)
      if (!Rule::looks_back || !a.left.set.has(a.arrived.blocks[i])) block(a.arrived.blocks[i]);
  for (int k = 0; k < kMaxTDSums; ++k) call.sum[k] = sum(join(total[k])) + T(0);
}

//---------------------------------------------------------------------------- the sweep

// What a sweep does besides the update: an episode's end, and of SwiftTD a call with its rate above the bound.
enum TDMode : unsigned { kEnd = 1, kForget = 2 };

// One register of features of which one would not be finite: it keeps what it had before that part of the update, and
// is counted. Returns whether a trace is left.
template <class Rule, unsigned kMode, class T>
STREAMDL_COLD bool update_carefully(TDArgs<T>& a, ptrdiff_t j, const T* constants) {
  using V = Register<T>;
  constexpr int kAll = kTDFields<Rule>;
  const Arrays<Rule, T> at(a);
  V c[Rule::constants], w = load_register(at.w + j), f[kAll];
  spread<Rule>(constants, c);
  for (int k = 0; k < kAll; ++k) f[k] = load_register(at.field[k] + j);
  const V next = load_register(a.next + j);
  // One part of the update, and who takes part in it.
  auto part = [&](auto change) {
    V old[kAll + 1];
    for (int k = 0; k < kAll; ++k) old[k] = f[k];
    old[kAll] = w;
    change();
    V look = w * V(0);
    for (const V& field : f) look = fma(field, V(0), look);
    const auto sound = look == V(0);
    w = select(sound, w, old[kAll]);
    for (int k = 0; k < kAll; ++k) f[k] = select(sound, f[k], old[k]);
    a.cancelled += (uint64_t)(V::width - __builtin_popcount(to_bits(sound)));
  };
  if constexpr (requires { Rule::fresh; }) {
    const V h_old = f[Rule::forgets];
    part([&] { Rule::leave(w, f, c); });
    part([&] { (void)Rule::fade(w, f, c); });
    if constexpr (kMode & kForget) Rule::forget(f);
    if constexpr (!(kMode & kEnd)) part([&] { Rule::template arrive<(kMode & kForget) != 0>(f, next, h_old, c); });
  } else {
    part([&] { (void)Rule::apply(w, f, load_register(a.input + j), next, c); });
  }
  if constexpr (kMode & kEnd)
    for (int k = 0; k < kAll; ++k)
      if (Rule::fields[k].trace) f[k] = V(0);
  store(at.w + j, w);
  for (int k = 0; k < kAll; ++k) store(at.field[k] + j, f[k]);
  return any(traces<Rule, swept_fields<Rule>()>(f) != V(0));
}

// One register of features without inputs.
template <class Rule, unsigned kMode, class V, class T>
STREAMDL_HD bool update_plain(TDArgs<T>& args, const Arrays<Rule, T>& at, ptrdiff_t j, const V* c, const T* constants) {
  constexpr int kCount = swept_fields<Rule>();
  V w = load_register(at.w + j), f[kCount];
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k) f[k] = load_register(at.field[k] + j);
  const auto alive = Rule::fade(w, f, c);
  const V look = looked_at<Rule, kCount>(w, f);
  if (!all(look - look == V(0))) [[unlikely]]
    return update_carefully<Rule, kMode>(args, j, constants);
  if constexpr (kMode & kForget) Rule::forget(f);
  if constexpr (kMode & kEnd)
    for (int k = 0; k < kCount; ++k)
      if (Rule::fields[k].trace) f[k] = V(0);
  store(at.w + j, w);
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k) store(at.field[k] + j, f[k]);
  return any(alive);
}

// One register of features in a block of x, or in one of x'.
template <class Rule, unsigned kMode, bool kArrived, class V, class T>
STREAMDL_HD bool update_active(TDArgs<T>& args, const TDArgs<T>& a, const Arrays<Rule, T>& at, ptrdiff_t j, const V* c,
                               const T* constants) {
  constexpr int kCount = kTDFields<Rule>;
  V w = load_register(at.w + j), f[kCount], look;
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k) f[k] = load_register(at.field[k] + j);
  bool busy;
  if constexpr (requires { Rule::fresh; }) {
    const V h_old = f[Rule::forgets];
    Rule::leave(w, f, c);
    if constexpr (kArrived) {
      Rule::fade(w, f, load_register(a.saved + j), c);
      busy = true;
    } else {
      busy = any(Rule::fade(w, f, c));
    }
    look = w + f[Rule::forgets];
    if constexpr (kMode & kForget) Rule::forget(f);
    if constexpr (kArrived) {
      Rule::template arrive<(kMode & kForget) != 0>(f, load_register(a.next + j), h_old, c);
      look = look + ((f[2] + f[3]) + (f[4] + f[6]));
    }
  } else {
    busy = any(Rule::apply(w, f, load_register(a.input + j),
                           Rule::has_gradient && kArrived ? load_register(a.next + j) : V(0), c));
    look = looked_at<Rule, kCount>(w, f);
  }
  if (!all(look - look == V(0))) [[unlikely]]
    return update_carefully<Rule, kMode>(args, j, constants);
  if constexpr (kMode & kEnd)
    for (int k = 0; k < kCount; ++k)
      if (Rule::fields[k].trace) f[k] = V(0);
  store(at.w + j, w);
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k) store(at.field[k] + j, f[k]);
  return busy;
}

// Updates the eligible blocks and those of both inputs. Afterwards a block is eligible while a trace is left in it,
// or x' is not 0 there.
template <class Rule, unsigned kMode, class T>
STREAMDL_HD void sweep(TDArgs<T>& args, const T* constants) {
  using V = Register<T>;
  const TDArgs<T> a = args;  // a copy, since vector stores may change anything else
  const Arrays<Rule, T> at(a);
  V c[Rule::constants];
  spread<Rule>(constants, c);
  const int summaries = BlockSet::words_of(BlockSet::words_of(a.eligible.blocks));
  for (int s = 0; s < summaries; ++s) {
    uint64_t summary = 0;
    for (uint64_t some = a.eligible.summary[s] | a.arrived.set.summary[s]; some; some &= some - 1) {
      const int i = s * 64 + __builtin_ctzll(some);
      const uint64_t arrived = a.arrived.set.words[i], left = a.left.set.words[i] & ~arrived;
      const uint64_t all = a.eligible.words[i] | arrived;
      uint64_t kept = arrived;
      // Without branches on what is left, which is anybody's guess.
      auto visit = [&](uint64_t blocks, const auto& update) __attribute__((always_inline)) {
        for (uint64_t bits = blocks; bits; bits &= bits - 1) {
          const int bit = __builtin_ctzll(bits);
          bool busy = false;
          each_piece<T>(i * 64 + bit, [&](ptrdiff_t j, int) __attribute__((always_inline)) { busy |= update(j); });
          kept |= (uint64_t)busy << bit;
        }
      };
      visit(all & ~left & ~arrived, [&](ptrdiff_t j) __attribute__((always_inline)) {
        return update_plain<Rule, kMode>(args, at, j, c, constants);
      });
      visit(left, [&](ptrdiff_t j) __attribute__((always_inline)) {
        return update_active<Rule, kMode, false>(args, a, at, j, c, constants);
      });
      if constexpr (!(kMode & kEnd))
        visit(arrived, [&](ptrdiff_t j) __attribute__((always_inline)) {
          return update_active<Rule, kMode, true>(args, a, at, j, c, constants);
        });
      if constexpr (kMode & kEnd) kept = 0;
      if constexpr (requires { Rule::forgets; })
        for (uint64_t bits = all & ~kept; bits; bits &= bits - 1) a.forgot[i * 64 + __builtin_ctzll(bits)] = a.forgets;
      a.eligible.words[i] = kept;
      if (kept) summary |= some & -some;
    }
    a.eligible.summary[s] = summary;
  }
}

//---------------------------------------------------------------------------- a step

// A block outside the set forgets what it has missed.
template <class Rule, class T>
STREAMDL_HD void catch_up(TDArgs<T>& a, int b) {
  if (a.forgot[b] == a.forgets) return;
  store(a.weights + (Rule::forgets + 1) * a.columns + b * kBlock<T>, Lanes<T>(0));
  a.forgot[b] = a.forgets;
}

template <class Rule, class T>
STREAMDL_HD void fold(TDArgs<T>& a) {
  if constexpr (requires { Rule::folds(T(1)); }) {
    using V = Lanes<T>;
    if (!Rule::folds(a.scalars[Rule::scale])) return;
    const V s(a.scalars[Rule::scale]);
    T* const field = a.weights + a.columns;
    for (ptrdiff_t j = 0; j < a.columns; j += V::width) store(field + j, load(field + j) * s);
    a.scalars[Rule::scale] = T(1);
  }
}

template <class Rule, unsigned kMode, class T>
STREAMDL_HD bool learn(TDArgs<T>& a) {
  T hyper[kTDHypers<Rule>], c[Rule::constants];
  for (int k = 0; k < kTDHypers<Rule>; ++k) hyper[k] = (T)a.hyper[k];
  TDCall<T> call{hyper, a.reward, T(0), T(0), {}, {}, a.ordinary};
  for (int k = 0; k < Rule::scalar_count; ++k) call.scalar[k] = a.scalars[k];
  constexpr bool ends = kMode & kEnd;
  if (!ends) call.now = predict_next(a);
  if (Rule::looks_back && a.started) call.before = predicted(a.weights, a.input, a.left);
  if (!is_finite(call.now) || !is_finite(call.before)) return false;
  a.prediction = call.now;
  if (Rule::looks_back && !a.started) {  // nothing to learn about yet
    for (int i = 0; i < a.arrived.count; ++i) a.eligible.insert(a.arrived.blocks[i]);
    return true;
  }
  if constexpr (requires { Rule::forgets; })
    a.arrived.set.each_word([&](int i) {
      for (uint64_t bits = a.arrived.set.words[i] & ~a.eligible.words[i]; bits; bits &= bits - 1)
        catch_up<Rule>(a, i * 64 + __builtin_ctzll(bits));
    });
  if (!Rule::open(call, c)) return false;
  if constexpr (Rule::measures != TDMeasures::nothing && !(ends && Rule::measures == TDMeasures::now))
    measure<Rule>(a, call, c);
  if (!Rule::close(call, c)) return false;
  if (a.below && a.started) {
    T value = call.before;
    if constexpr (!Rule::looks_back) value = a.scalars[Rule::old];
    if (!a.below(a.whom, fma(hyper[Rule::discount], call.now, call.reward) - value)) return false;
  }

  // From here on it writes.
  for (int k = 0; k < Rule::scalar_count; ++k)
    a.scalars[k] = ends && Rule::scalars[k].restarts ? (T)Rule::scalars[k].start : call.scalar[k];
  if constexpr (requires { Rule::forgets; }) {
    if (!ends && Rule::is_over(call)) {
      ++a.forgets;
      sweep<Rule, kForget>(a, c);
      return true;
    }
  }
  sweep<Rule, kMode>(a, c);
  fold<Rule>(a);
  return true;
}

// What x was is 0 now, and x' is x.
template <class Rule, unsigned kMode, class T>
bool step(TDArgs<T>& a) {
  if (!learn<Rule, kMode>(a)) return false;
  if constexpr (Rule::looks_back) {
    for (int i = 0; i < a.left.count; ++i) store(a.input + a.left.blocks[i] * kBlock<T>, Lanes<T>(0));
    for (int i = 0; i < a.arrived.count; ++i) {
      const int j = a.arrived.blocks[i] * kBlock<T>;
      store(a.input + j, load(a.next + j));
    }
  }
  for (int i = 0; i < a.arrived.count; ++i) store(a.next + a.arrived.blocks[i] * kBlock<T>, Lanes<T>(0));
  const BlockList free = a.left;
  a.left = a.arrived;
  a.arrived = free;
  a.arrived.count = 0;
  a.arrived.set.clear();
  return true;
}

//---------------------------------------------------------------------------- after a look from outside

template <class Rule, class T>
void survey(TDArgs<T>& a) {
  using V = Lanes<T>;
  a.left.count = 0;
  a.left.set.clear();
  a.eligible.clear();
  for (int b = 0; b < a.eligible.blocks; ++b) {
    const ptrdiff_t j = (ptrdiff_t)b * V::width;
    V f[kTDFields<Rule>], fresh(0);
    for (int k = 0; k < kTDFields<Rule>; ++k) f[k] = load(a.weights + (k + 1) * a.columns + j);
    if constexpr (Rule::looks_back) fresh = load(a.input + j);
    else
      for (int k = swept_fields<Rule>(); k < kTDFields<Rule>; ++k) fresh = fresh + abs(f[k]);
    bool busy = any(traces<Rule, kTDFields<Rule>>(f) != V(0));
    if (any(fresh != V(0))) {
      a.left.blocks[a.left.count++] = b;
      a.left.set.insert(b);
      busy = true;
    }
    if constexpr (requires { Rule::rate_bound; }) {  // a step size out of bounds is set right by the next visit
      const V low((T)a.hyper[Rule::min_step_size]), high((T)a.hyper[Rule::rate_bound]);
      busy |= any(min(max(f[0], low), high) != f[0]);
    }
    if (busy) a.eligible.insert(b);
    if constexpr (requires { Rule::forgets; }) a.forgot[b] = a.forgets;
  }
}

template <class Rule, class T>
void settle(TDArgs<T>& a) {
  if constexpr (requires { Rule::forgets; })
    for (int b = 0; b < a.eligible.blocks; ++b)
      if (!a.eligible.has(b)) catch_up<Rule>(a, b);
}

template <class Rule, class T>
constexpr TDRuleKernels<T> td_rule_kernels() {
  return {&step<Rule, 0u, T>, &step<Rule, kEnd, T>, &survey<Rule, T>, &settle<Rule, T>};
}

#define STREAMDL_TD_RULE(Rule) td_rule_kernels<Rule, T>(),
template <class T>
inline constexpr TDRuleKernels<T> kTDRules[] = {STREAMDL_TD_RULES(STREAMDL_TD_RULE)};
#undef STREAMDL_TD_RULE
template <class T>
inline constexpr TDKernels<T> td_kernels = {&take<T>, &predict_next<T>, &release<T>, kTDRules<T>};

STREAMDL_END
