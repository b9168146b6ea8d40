// What Python holds, a learner or an agent: views of its state, checkpoints, one caller at a time.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
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
};

struct Held {
  std::shared_ptr<Stateful> held;
  std::shared_ptr<std::atomic<int>> views = std::make_shared<std::atomic<int>>(0);
};

// Holds it for one call; a second caller gets BusyError.
struct Hold {
  Held& p;
  explicit Hold(Held& h) : p(h) {
    if (!p.held->enter()) throw Busy("this learner is in use by another thread");
  }
  ~Hold() {
    if (p.views->load()) p.held->state_touched();  // whoever holds a view may write before the next step
    p.held->leave();
  }
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
            if (p.held->enter()) {  // rows that wait may have something to report
              p.held->settle();
              p.held->leave();
            }
            return p.held->cancelled();
          },
          "Updates of single weights that were cancelled because a field would not have been finite.")
      .def("_save", [](P& p, const std::string& path, const nb::dict& metadata) { save(p, path, metadata); })
      .def("_to_bytes", [](P& p, const nb::dict& metadata) { return to_bytes(p, metadata); });
}

}  // namespace streamdl
