// The interface of the kernels of linear temporal-difference learning: one step, over blocks of features.
//
// A block is one vector of features. Blocks that hold an eligible feature form a set; only they, and those of the
// last and the new input, are visited.
#pragma once

#include "kernels/block_set.h"
#include "kernels/kernels.h"

namespace streamdl {

// The blocks of one input: where it, or what it has left in the fresh fields, is not 0.
struct BlockList {
  int32_t* blocks;  // ascending
  int count;
  BlockSet set;  // the same
};

template <class T>
struct TDArgs {
  T* weights;         // [w | field 0 | field 1 | ...]
  ptrdiff_t columns;  // padded: the distance between w and its fields
  int features;       // columns without padding
  T* input;           // (columns) x of the call before, for rules that look back
  T* next;            // (columns) x'; all 0 between calls
  BlockList left;     // of x
  BlockList arrived;  // of x'
  BlockSet eligible;  // blocks with a trace that is not 0, and `left` among them
  T* saved;           // (columns) room for what `measure` computes of the blocks of x'
  uint64_t* forgot;   // (blocks) how many times a block outside the set has forgotten,
  uint64_t forgets;   // and how many times it should have
  const double* hyper;
  T* scalars;
  bool ordinary;
  bool started;  // a call came before, in this episode
  T reward;
  // Asked, where there is one, with the TD error when all that the rule can refuse is known and nothing is written yet:
  // whoever learns from the same error below. False refuses the observation. Not asked before there is an error.
  bool (*below)(void* whom, T error);
  void* whom;
  T prediction;        // out: v(x') from before the update
  uint64_t cancelled;  // in and out: updates of single features that would not have been finite
};

template <class T>
struct TDRuleKernels {
  // Learns from x' and the reward. False, and nothing changed, where a prediction or a sum is not finite.
  bool (*step)(TDArgs<T>&);
  // Learns from an episode's last reward, and clears the traces.
  bool (*end)(TDArgs<T>&);
  // Finds the eligible blocks and the left ones in the state.
  void (*survey)(TDArgs<T>&);
  // Writes what blocks outside the set have still to forget.
  void (*settle)(TDArgs<T>&);
};

template <class T>
struct TDKernels {
  // x' from n numbers, and its blocks; false where one is not finite.
  bool (*take)(TDArgs<T>&, const T* x);
  T (*predict)(const TDArgs<T>&);
  // x' is 0 again.
  void (*release)(TDArgs<T>&);
  const TDRuleKernels<T>* rules;  // in the order of STREAMDL_TD_RULES
};

}  // namespace streamdl
