#include "learner/stateful.h"

#include <cmath>
#include <limits>
#include <map>

#include "learner/sha256.h"

namespace streamdl {

std::string wrong_value(const Named& h, double value, bool twice) {
  if (h.only_zero && value != 0) return h.name + ": " + h.only_zero + ", got " + std::to_string(value);
  if (h.none && value == 0) return {};
  if (h.whole && value != std::floor(value))
    return h.name + ": expected a whole number" + (h.none ? " or None" : "") + ", got " + std::to_string(value);
  const bool low = h.low_open ? value > h.low : value >= h.low;
  const bool high = h.high_open ? value < h.high : value <= h.high;
  const bool fits = twice || value <= (double)std::numeric_limits<float>::max();
  if (low && high && fits) return {};
  return h.name + ": expected a number " + (h.low_open ? "above " : "of at least ") + std::to_string(h.low) +
         (std::isinf(h.high) ? (fits ? "" : " that float32 can hold")
                             : (h.high_open ? " and below " : " and at most ") + std::to_string(h.high)) +
         ", got " + std::to_string(value);
}

std::string state_hash(const std::vector<StatePart>& parts) {
  std::map<std::string, std::pair<const Block*, const FieldEntry*>> sorted;
  for (const StatePart& part : parts)
    for (const FieldEntry& e : part.of->entries()) sorted[part.prefix + e.name] = {part.of->block().get(), &e};
  Sha256 hash;
  for (const auto& [name, array] : sorted) {
    hash.update(name.data(), name.size());
    array.second->each_piece([&](size_t at, size_t, size_t bytes) { hash.update(array.first->data() + at, bytes); });
  }
  return hash.hex_digest();
}

}  // namespace streamdl
