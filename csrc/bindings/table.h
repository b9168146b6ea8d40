// A row of a rule's table of hyper-parameters, as Python makes classes and documentation from it.
#pragma once

#include <nanobind/nanobind.h>

#include "rules/table.h"

namespace streamdl {

inline nanobind::dict row_of(const base::HyperParameter& h, double standard) {
  nanobind::dict d;
  d["name"] = h.name;
  d["standard"] = standard;
  d["low"] = h.low;
  d["high"] = h.high;
  d["low_open"] = h.low_open;
  d["high_open"] = h.high_open;
  d["letter"] = h.letter;
  d["meaning"] = h.meaning;
  d["is_flag"] = h.kind == base::HyperParameter::Kind::flag;
  d["is_whole"] = h.kind == base::HyperParameter::Kind::whole;
  return d;
}

}  // namespace streamdl
