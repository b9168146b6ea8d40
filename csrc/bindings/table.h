// The tables of a rule, as Python makes classes and documentation from them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <stdexcept>
#include <string>

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

inline nanobind::dict words_of(const base::Description& about, const char* when) {
  nanobind::dict d;
  d["name"] = about.name;
  d["title"] = about.title;
  d["equation"] = about.equation;
  d["when"] = when;
  d["source"] = about.source;
  d["cost"] = about.cost;
  return d;
}

// Where a field starts, in words.
template <class Rule>
const char* start_of(int start) {
  if (start >= 0) return Rule::hypers[start].name;
  if (start == base::kStartsAtZero) return "0";
  if (start == base::kStartsAtOne) return "1";
  if (start == base::kStartsAtWeight) return "the weight";
  throw std::logic_error("a field's start that documentation has no word for");
}

// Adds the rows of `fields` whose names `list` has not.
template <class Rule, class Row>
void add_fields(nanobind::list list, const Row* fields, int count) {
  for (const Row* f = fields; f != fields + count; ++f) {
    bool known = false;
    for (nanobind::handle row : list) known |= nanobind::cast<std::string>(row["name"]) == f->name;
    if (known) continue;
    nanobind::dict d;
    d["name"] = f->name;
    d["start"] = start_of<Rule>(f->start);
    d["meaning"] = f->meaning;
    list.append(d);
  }
}

}  // namespace streamdl
