// What Python holds, a learner or an agent: views of its state, checkpoints, one caller at a time.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "learner/safetensors.h"
#include "learner/stateful.h"

namespace streamdl {

namespace nb = nanobind;

// Becomes streamdl.BusyError.
struct Busy : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A file or bytes, parsed and checked; arrays point into `bytes`.
struct Checkpoint {
  std::vector<uint8_t> bytes;
  container::Container parsed;

  explicit Checkpoint(std::vector<uint8_t> b) : bytes(std::move(b)) {
    container::Error error;
    if (container::parse(bytes.data(), bytes.size(), parsed, error) != container::Status::ok)
      throw nb::value_error(error.message);
  }
  // The arrays whose names begin with `prefix`, without it, or with `out` those whose names do not begin with any of
  // these. `whole` must outlive it.
  Checkpoint(const Checkpoint& whole, std::string_view prefix, const std::vector<std::string_view>& out = {}) {
    parsed.metadata = whole.parsed.metadata;
    for (container::TensorView t : whole.parsed.tensors) {
      bool belongs = t.name.starts_with(prefix);
      for (std::string_view other : out) belongs &= !t.name.starts_with(other);
      if (belongs) t.name.remove_prefix(prefix.size()), parsed.tensors.push_back(t);
    }
  }
};

struct Held {
  // Another one that is part of it, and what the names of its arrays and hyper-parameters begin with.
  struct Member {
    std::string prefix;
    Held* held;
  };

  std::shared_ptr<Stateful> held;
  std::shared_ptr<std::atomic<int>> views = std::make_shared<std::atomic<int>>(0);
  std::vector<Member> members;

  bool enter() {
    if (!held->enter()) return false;
    for (size_t i = 0; i < members.size(); ++i) {
      if (members[i].held->enter()) continue;
      while (i-- > 0) members[i].held->leave();
      held->leave();
      return false;
    }
    return true;
  }
  void leave() {
    if (views->load()) held->state_touched();  // whoever holds a view may write before the next step
    held->leave();
    for (const Member& m : members) m.held->leave();
  }
  std::vector<StatePart> parts() const {
    std::vector<StatePart> all = {{"", held.get()}};
    for (const Member& m : members)
      for (const StatePart& part : m.held->parts()) all.push_back({m.prefix + part.prefix, part.of});
    return all;
  }
};

// Holds it for one call; a second caller gets BusyError.
struct Hold {
  Held& p;
  explicit Hold(Held& h) : p(h) {
    if (!p.enter()) throw Busy("this learner is in use by another thread");
  }
  ~Hold() { p.leave(); }
};

// ValueError where the checkpoint has not just these arrays.
void compare(const std::vector<FieldEntry>& entries, const Checkpoint& checkpoint);
// The arrays of a checkpoint that was compared, into the state; ValueError where a hyper-parameter is not allowed.
void copy_state(Stateful& to, const Checkpoint& from);

nb::object view_of(Held& p, const std::string& name);
nb::list entries_of(Held& p);
nb::dict hyper_of(Held& p);
void set_hyper(Held& p, const std::string& name, double value);
std::string hash_of(Held& p);
void save(Held& p, const std::string& path, const nb::dict& metadata);
nb::bytes to_bytes(Held& p, const nb::dict& metadata);
// OSError.
[[noreturn]] void fail(const std::string& message);

// The methods by which Python reads and writes a state.
template <class P>
void define_state(nb::class_<P>& c) {
  using namespace nb::literals;
  c.def(
       "state_hash", [](P& p) { return hash_of(p); }, "SHA-256 over the sorted names and the bytes of the state.")
      .def(
          "_entries", [](P& p) { return entries_of(p); }, nb::sig("def _entries(self) -> list[tuple[str, bool]]"))
      .def(
          "_view", [](P& p, const std::string& name) { return view_of(p, name); }, "name"_a,
          nb::sig("def _view(self, name: str) -> numpy.typing.NDArray[typing.Any]"))
      .def(
          "_hyper", [](P& p) { return hyper_of(p); }, nb::sig("def _hyper(self) -> dict[str, float]"))
      .def("_set_hyper", [](P& p, const std::string& name, double value) { set_hyper(p, name, value); })
      .def_prop_ro(
          "cancelled",
          [](P& p) {
            if (p.enter()) {  // rows that wait may have something to report
              for (const StatePart& part : p.parts()) part.of->settle();
              p.leave();
            }
            uint64_t all = 0;
            for (const StatePart& part : p.parts()) all += part.of->cancelled();
            return all;
          },
          "Updates of single weights that were cancelled because a field would not have been finite.")
      .def("_save", [](P& p, const std::string& path, const nb::dict& metadata) { save(p, path, metadata); })
      .def("_to_bytes", [](P& p, const nb::dict& metadata) { return to_bytes(p, metadata); });
}

}  // namespace streamdl
