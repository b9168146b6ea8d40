// Rewiring of sparse layers: edges of a unit are dropped, and others grown in their slots.
//
// The rows of a layer take turns: in every period of examples each source unit is looked at once, row j at the updates t
// with t = j modulo the period. So work is spread evenly, and what one example asks for decides about few rows.
#pragma once

#include "rules/table.h"

STREAMDL_BEGIN

// The arguments that all of them begin with.
struct Rewiring : MethodDefaults {
  enum { period, fraction };
  static constexpr HyperParameter period_row = {"period",
                                                1000,
                                                1,
                                                kUnbounded,
                                                false,
                                                true,
                                                "Delta T",
                                                "examples between two looks at a unit's edges",
                                                HyperParameter::Kind::whole};
  static constexpr HyperParameter fraction_row = {
      "fraction", 0.1, 0, 1, false, false, "zeta", "share of a unit's edges (or blocks) that is moved, at least one"};
  static constexpr bool of_edges = true;
};

struct SET : Rewiring {
  static constexpr Description description = {
      "SET", "Sparse evolutionary training: a unit's weakest edges move to random targets.",
      "every period examples, of each source unit: the fraction of its edges of least |w| is dropped, and as many are "
      "grown at random among the targets that it did not reach;  w = 0, all fields reset",
      "Mocanu, Mocanu, Stone, Nguyen, Gibescu and Liotta, 2018",
      "per period O(edges log edges) and, per edge grown, a look at the unit's free targets"};
  static constexpr const char* when =
      "The plain way to search for connections: no gradient, no memory. It needs periods long enough for a new edge to "
      "outgrow the weakest old ones.";
  static constexpr HyperParameter hypers[] = {period_row, fraction_row};
};

struct RigL : Rewiring {
  static constexpr Description description = {
      "RigL", "A unit's weakest edges move to where the gradient is largest.",
      "every period examples, of each source unit that is active then: the fraction of its edges of least |w| is "
      "dropped, and as many are grown where |x_j delta_k| of this example is largest (ties: lowest k) among the "
      "targets that it did not reach, as long as it is not 0;  w = 0, all fields reset",
      "Evci, Gale, Menick, Castro and Elsen, 2020; here row by row, from one example each",
      "as SET, and per example a partial sort of |delta|"};
  static constexpr const char* when =
      "Where new edges should start where they help at once. One example decides about few rows, so that the units of "
      "largest delta do not collect everybody's edges.";
  static constexpr HyperParameter hypers[] = {period_row, fraction_row};
};

struct EdgeUtility : Rewiring {
  static constexpr Description description = {
      "EdgeUtility", "A unit's least useful edges move to random targets.",
      "u = decay u + (1 - decay) |g w| on every example with x_j not 0;  every period examples, of each source unit: "
      "the fraction of its edges of least u is dropped, and as many are grown at random among the targets that it did "
      "not reach;  w = 0, u = 0, all fields reset",
      "edge utilities: Javed, 2025, as published in code; regrowth: Mocanu et al., 2018",
      "one number per edge; one more pass over the edges of active rows"};
  static constexpr const char* when =
      "Where a small weight can matter, or a large one not: of edges it asks what they do to the loss.";
  enum { decay = fraction + 1 };
  static constexpr HyperParameter hypers[] = {
      period_row,
      fraction_row,
      {"decay", 0.999, 0, 1, false, true, "", "decay of the utilities"},
  };
};

STREAMDL_END
