// A row of a rule's table of hyper-parameters, as Python makes classes and documentation from it.
#pragma once

#include <nanobind/nanobind.h>

#include "rules/table.h"

namespace streamdl {

inline nanobind::tuple row_of(const base::HyperParameter& h, double standard) {
  return nanobind::make_tuple(h.name, standard, h.low, h.high, h.low_open, h.high_open, h.letter, h.meaning,
                              h.kind == base::HyperParameter::Kind::flag);
}

}  // namespace streamdl
