// Self-normalised resets: a unit is regenerated when it has been silent for longer than it ever was.
#pragma once

#include <cstdint>

#include "rules/table.h"

STREAMDL_BEGIN

struct SelfNormalizedReset : MethodDefaults {
  static constexpr Description description = {
      "SelfNormalizedReset", "Regenerates units that have been silent for too long, by the measure of their own past.",
      "a: examples since h > 0;  silent, and P(past a >= a) <= threshold: regenerated", "Farias and Jozefiak, 2025",
      "O(units): one look at the unit's histogram of past silences"};
  static constexpr const char* when =
      "Units whose natural rates of firing differ, so that no one threshold fits them: each is judged by its own past. "
      "Its one parameter is a rate of false alarms.";

  enum { threshold, minimum };
  static constexpr HyperParameter hypers[] = {
      {"threshold", 0.01, 0, 1, false, false, "eta", "share of past silences at least as long"},
      {"minimum", 100, 1, kUnbounded, false, true, "", "past silences before a unit is judged",
       HyperParameter::Kind::whole},
  };
  static constexpr bool of_units = true;

  // Bins of the histogram: silences below kExact have their own, longer ones share one of kPerOctave to an octave.
  static constexpr int kExact = 64, kPerOctave = 8, kOctaves = 14, kBins = kExact + kOctaves * kPerOctave;
  static constexpr int bin_of(uint64_t a) {
    if (a < kExact) return (int)a;
    const int octave = 63 - __builtin_clzll(a) - 6;  // 2^6 = kExact
    if (octave >= kOctaves) return kBins - 1;
    return kExact + octave * kPerOctave + (int)(a >> (octave + 3) & (kPerOctave - 1));
  }
};

STREAMDL_END
