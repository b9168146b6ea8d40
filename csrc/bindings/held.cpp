#include "bindings/held.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstring>
#include <deque>
#include <map>
#include <string_view>

#include "learner/file.h"

namespace streamdl {
namespace {

container::DType dtype_of(Type t) {
  switch (t) {
    case Type::f32: return container::DType::F32;
    case Type::f64: return container::DType::F64;
    case Type::i32: return container::DType::I32;
    default: return container::DType::U64;
  }
}

std::vector<uint64_t> shape_of(const FieldEntry& e) { return {e.shape.begin(), e.shape.end()}; }

// Calls f(in the state, offset in C order, bytes) for each piece of an array.
template <class F>
void each_piece(const Stateful& s, const FieldEntry& e, F f) {
  e.each_piece([&](size_t at, size_t in_order, size_t bytes) { f(s.block()->data() + at, in_order, bytes); });
}

// The state as a container: packed arrays, and `metadata`.
container::Status write(Held& p, const nb::dict& metadata, const container::Sink& sink, container::Error& error) {
  container::Metadata m;
  for (auto [k, v] : metadata) m[nb::cast<std::string>(k)] = nb::cast<std::string>(v);
  std::vector<std::vector<uint8_t>> packed;
  std::deque<std::string> names;
  std::vector<container::TensorView> tensors;
  for (const StatePart& part : p.parts()) {
    part.of->settle();
    for (const FieldEntry& e : part.of->entries()) {
      size_t bytes = bytes_of(e.type);
      for (size_t s : e.shape) bytes *= s;
      auto& room = packed.emplace_back(bytes);
      each_piece(*part.of, e, [&](std::byte* from, size_t at, size_t n) { std::memcpy(room.data() + at, from, n); });
      const std::string& name = names.emplace_back(part.prefix + e.name);
      tensors.push_back({name, dtype_of(e.type), shape_of(e), room.data(), bytes});
    }
  }
  return container::serialize(m, tensors, sink, error);
}

}  // namespace

void fail(const std::string& message) {
  PyErr_SetString(PyExc_OSError, message.c_str());
  throw nb::python_error();
}

void compare(const std::vector<FieldEntry>& entries, const Checkpoint& c) {
  std::map<std::string_view, const container::TensorView*> found;
  for (const auto& t : c.parsed.tensors) found[t.name] = &t;
  for (const FieldEntry& e : entries) {
    const auto it = found.find(e.name);
    if (it == found.end()) throw nb::value_error(("checkpoint: the array '" + e.name + "' is missing").c_str());
    if (it->second->dtype != dtype_of(e.type) || it->second->shape != shape_of(e))
      throw nb::value_error(
          ("checkpoint: the array '" + e.name + "' has another shape or type than its learner").c_str());
  }
  if (found.size() != entries.size())
    throw nb::value_error("checkpoint: it holds arrays that its learner does not have");
}

void copy_state(Stateful& to, const Checkpoint& from) {
  for (const auto& t : from.parsed.tensors)
    for (const FieldEntry& e : to.entries())
      if (e.name == t.name)
        each_piece(to, e, [&](std::byte* into, size_t at, size_t n) { std::memcpy(into, t.data + at, n); });
  for (size_t i = 0; i < to.hyper_names().size(); ++i) {
    const std::string wrong = to.check_hyper(i, to.hyper()[i]);
    if (!wrong.empty()) throw nb::value_error(("checkpoint: " + wrong).c_str());
  }
}

nb::object view_of(Held& p, const std::string& name) {
  struct Guard {
    std::shared_ptr<Block> block;
    std::shared_ptr<std::atomic<int>> views;
  };
  for (const Held::Member& m : p.members)
    if (name.starts_with(m.prefix)) return view_of(*m.held, name.substr(m.prefix.size()));
  for (const FieldEntry& e : p.held->entries()) {
    if (e.name != name) continue;
    ++*p.views;
    if (p.held->enter()) {  // else whoever is inside finds the view when leaving
      p.held->state_touched();
      p.held->leave();
    }
    nb::capsule owner(new Guard{p.held->block(), p.views}, [](void* g) noexcept {
      --*static_cast<Guard*>(g)->views;
      delete static_cast<Guard*>(g);
    });
    std::vector<int64_t> strides;
    for (size_t s : e.strides) strides.push_back((int64_t)(s / bytes_of(e.type)));
    void* data = p.held->block()->data() + e.offset;
    const nb::dlpack::dtype type = e.type == Type::f32   ? nb::dtype<float>()
                                   : e.type == Type::f64 ? nb::dtype<double>()
                                   : e.type == Type::i32 ? nb::dtype<int32_t>()
                                                         : nb::dtype<uint64_t>();
    if (e.fixed)
      return nb::cast(
          nb::ndarray<nb::numpy, nb::ro>(data, e.shape.size(), e.shape.data(), owner, strides.data(), type));
    return nb::cast(nb::ndarray<nb::numpy>(data, e.shape.size(), e.shape.data(), owner, strides.data(), type));
  }
  throw nb::key_error(name.c_str());
}

nb::list entries_of(Held& p) {
  nb::list names;
  for (const StatePart& part : p.parts())
    for (const FieldEntry& e : part.of->entries()) names.append(nb::make_tuple(part.prefix + e.name, e.parameter));
  return names;
}

nb::dict hyper_of(Held& p) {
  nb::dict d;
  for (const StatePart& part : p.parts()) {
    const auto& names = part.of->hyper_names();
    for (size_t i = 0; i < names.size(); ++i) d[(part.prefix + names[i].name).c_str()] = part.of->hyper()[i];
  }
  return d;
}

void set_hyper(Held& p, const std::string& name, double value) {
  for (const Held::Member& m : p.members)
    if (name.starts_with(m.prefix)) return set_hyper(*m.held, name.substr(m.prefix.size()), value);
  Hold hold(p);
  const auto& names = p.held->hyper_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].name != name) continue;
    const std::string wrong = p.held->check_hyper(i, value);
    if (!wrong.empty()) throw nb::value_error(wrong.c_str());
    p.held->settle();
    p.held->hyper()[i] = value;
    p.held->hyper_changed();
    return;
  }
  throw nb::key_error(name.c_str());
}

std::string hash_of(Held& p) {
  Hold hold(p);
  const std::vector<StatePart> parts = p.parts();
  for (const StatePart& part : parts) part.of->settle();
  return state_hash(parts);
}

void save(Held& p, const std::string& path, const nb::dict& metadata) {
  Hold hold(p);
  file::AtomicFile f(path);
  file::Error error;
  container::Error bad;
  if (f.open(error) != file::Status::ok) fail(error.message);
  const auto status =
      write(p, metadata, [&](const void* d, size_t n) { return f.write(d, n, error) == file::Status::ok; }, bad);
  if (error.status != file::Status::ok) fail(error.message);
  if (status != container::Status::ok) throw nb::value_error(bad.message);
  if (f.commit(error) != file::Status::ok) fail(error.message);
}

nb::bytes to_bytes(Held& p, const nb::dict& metadata) {
  Hold hold(p);
  std::string bytes;
  container::Error bad;
  if (write(
          p, metadata,
          [&](const void* d, size_t n) {
            bytes.append((const char*)d, n);
            return true;
          },
          bad) != container::Status::ok)
    throw nb::value_error(bad.message);
  return nb::bytes(bytes.data(), bytes.size());
}

}  // namespace streamdl
