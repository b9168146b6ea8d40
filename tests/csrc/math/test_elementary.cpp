// The elementary functions against the C library's in long double: the largest error in ulp over a
// million arguments each, and every exact limit.
//
//   g++ -std=c++20 -O3 -ffp-contract=off -Wall -Wextra -Icsrc -Itests/csrc
//       tests/csrc/math/test_elementary.cpp -o test_elementary && ./test_elementary
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <limits>

#include "check.h"
#include "math/elementary.h"
#include "math/philox.h"

namespace m = streamdl::base;

// Where the arguments of one function are drawn, evenly in value or evenly in bit pattern.
struct Range {
  double from, to;
  bool by_bits;
};

// One function, its precise form, the ranges of its arguments and the promise in ulp.
template <class T>
struct Case {
  const char* name;
  T (*function)(T);
  long double (*precise)(long double);
  double bound_ulp;
  Range ranges[3];
};

long double precise_sigmoid(long double x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }
long double precise_softplus(long double x) { return fmaxl(x, 0) + log1pl(expl(-fabsl(x))); }

// The distance of two neighbouring numbers T at this size, also among denormals.
template <class T>
long double ulp(long double value) {
  constexpr int digits = std::numeric_limits<T>::digits;
  constexpr int least = std::numeric_limits<T>::min_exponent;
  int exponent;
  frexpl(value, &exponent);
  return ldexpl(1, (exponent < least ? least : exponent) - digits);
}

template <class T>
T draw(const Range& range, uint32_t index) {
  uint32_t words[4];
  m::philox(index, 0, 0, 0, 20, 24, words);
  const double u = m::uniform(words[0], words[1]);
  if (!range.by_bits) return (T)(range.from + (range.to - range.from) * u);
  // even in log |x|; the sign of `from` decides which signs occur
  const double size = std::exp(std::log(std::fabs(range.to)) * (1 - u) + std::log(1e-40) * u);
  return (T)(range.from < 0 && words[2] & 1 ? -size : size);
}

template <class T>
T grown_from_one(T x) {
  return m::grown(T(1), T(-1), -x);
}

template <class T>
void check_accuracy(const Case<T>& c, int count) {
  long double worst = 0;
  T worst_x = 0;
  for (const Range& range : c.ranges) {
    if (range.from == range.to) continue;
    for (int i = 0; i < count; ++i) {
      const T x = draw<T>(range, (uint32_t)i);
      const long double precise = c.precise(x);
      if (fabsl(precise) > std::numeric_limits<T>::max()) continue;  // the limits are checked below
      const long double error = fabsl((long double)c.function(x) - precise) / ulp<T>(precise);
      if (!(error <= worst)) worst = error, worst_x = x;
    }
  }
  std::printf("%-14s %-6s %.3Lf ulp at %a\n", c.name, sizeof(T) == 4 ? "float" : "double", worst, (double)worst_x);
  check_near((double)worst, 0, c.bound_ulp, __FILE__, __LINE__, c.name);
}

template <class T>
void check_limits() {
  const T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T least = std::numeric_limits<T>::denorm_min(), most = std::numeric_limits<T>::max();
  T (*const functions[])(T) = {m::exp<T>,     grown_from_one<T>, m::log<T>, m::tanh<T>,
                               m::sigmoid<T>, m::softplus<T>,    m::erf<T>};
  for (auto function : functions) CHECK(std::isnan(function(nan)));
  for (auto function : {m::exp<T>, grown_from_one<T>}) {
    CHECK_EQUAL(function(0), T(1));
    CHECK_EQUAL(function(T(-0.0)), T(1));
    CHECK_EQUAL(function(-infinity), T(0));
    CHECK_EQUAL(function(infinity), infinity);
    CHECK_EQUAL(function(most), infinity);
    CHECK_EQUAL(function(-most), T(0));
    CHECK_EQUAL(function(least), T(1));
  }
  // underflow is gradual: the smallest number that exp can return
  CHECK_EQUAL(m::exp(T(std::log(2.0) * (sizeof(T) == 4 ? -149 : -1074))), least);
  CHECK_EQUAL(m::log(T(1)), T(0));
  CHECK_EQUAL(m::log(T(0)), -infinity);
  CHECK_EQUAL(m::log(T(-0.0)), -infinity);
  CHECK_EQUAL(m::log(infinity), infinity);
  CHECK(std::isnan(m::log(T(-1))));
  CHECK(std::isnan(m::log(-least)));
  CHECK(std::isnan(m::log(-infinity)));
  for (auto function : {m::tanh<T>, m::erf<T>}) {
    CHECK_EQUAL(function(infinity), T(1));
    CHECK_EQUAL(function(-infinity), T(-1));
    CHECK_EQUAL(function(most), T(1));
    CHECK_EQUAL(m::to_bits(function(T(-0.0))), m::to_bits(T(-0.0)));
    CHECK_EQUAL(m::to_bits(function(T(0))), m::to_bits(T(0)));
  }
  CHECK_EQUAL(m::tanh(least), least);
  CHECK_EQUAL(m::sigmoid(T(0)), T(0.5));
  CHECK_EQUAL(m::sigmoid(infinity), T(1));
  CHECK_EQUAL(m::sigmoid(-infinity), T(0));
  CHECK_EQUAL(m::softplus(-infinity), T(0));
  CHECK_EQUAL(m::softplus(infinity), infinity);
  CHECK_EQUAL(m::softplus(most), most);
  CHECK_EQUAL(m::softplus(T(1000)), T(1000));
}

// Mean, variance, and the share beyond two sigma of four million draws, each within five standard
// errors; sine and cosine of one pair must be uncorrelated.
void check_normals() {
  const uint32_t pairs = 2000000;
  double sum = 0, square = 0, product = 0, beyond = 0, largest = 0;
  for (uint32_t i = 0; i < pairs; ++i) {
    uint32_t words[4];
    m::philox(i, 0, 0, 0, 7, 0, words);
    float z[2];
    m::normals(words[0], words[1], z[0], z[1]);
    for (float value : z) {
      sum += value;
      square += (double)value * value;
      beyond += std::fabs(value) > 2;
      largest = std::fmax(largest, std::fabs(value));
    }
    product += (double)z[0] * z[1];
  }
  const double n = 2.0 * pairs, share = std::erfc(std::sqrt(2.0));
  CHECK_NEAR(sum / n, 0, 5 / std::sqrt(n));
  CHECK_NEAR(square / n, 1, 5 * std::sqrt(2 / n));
  CHECK_NEAR(product / pairs, 0, 5 / std::sqrt(pairs));
  CHECK_NEAR(beyond / n, share, 5 * std::sqrt(share * (1 - share) / n));
  CHECK(largest > 4.5 && largest < 5.78);
  // the pair itself, in double: radius and angle from the same two words
  double worst = 0;
  for (uint32_t i = 0; i < 100000; ++i) {
    uint32_t words[4];
    m::philox(i, 1, 0, 0, 7, 0, words);
    float z0, z1;
    m::normals(words[0], words[1], z0, z1);
    const double radius = std::sqrt(-2 * std::log(1 - m::to_unit(words[0])));
    const double angle = 2 * M_PI * (m::to_unit(words[1]) - 0.5);
    worst = std::fmax(worst, std::fabs(z0 - radius * std::cos(angle)));
    worst = std::fmax(worst, std::fabs(z1 - radius * std::sin(angle)));
  }
  std::printf("normals        float  %.3g absolute\n", worst);
  CHECK_NEAR(worst, 0, 2e-6);
}

// 1.2345 / x, and two beyond what is multiplied.
template <class T>
T divided(T x) {
  return m::quotient(T(1.2345), x);
}
long double precisely_divided(long double x) { return (long double)1.2345 / x; }
long double precisely_divided_float(long double x) { return 1.2345f / x; }

template <class T>
void check_quotient() {
  const T infinity = std::numeric_limits<T>::infinity();
  CHECK_EQUAL(m::quotient(T(1), T(0)), infinity);
  CHECK_EQUAL(m::quotient(T(1), infinity), T(0));
  CHECK_EQUAL(m::quotient(T(6), T(-3)), T(-2));
  CHECK_EQUAL(m::quotient(T(0), T(3)), T(0));
  CHECK(std::isnan(m::quotient(T(0), T(0))));
  CHECK(std::isnan(m::quotient(T(1), std::numeric_limits<T>::quiet_NaN())));
}

int main() {
  const int count = 1000000;
  const Case<float> in_float[] = {
      {"quotient",
       divided<float>,
       precisely_divided_float,
       1.1,
       {{1e-9, 4, false}, {1e-37, 1e37, true}, {0.5, 2, false}}},
      {"exp", m::exp<float>, expl, 0.9, {{-104, 89, false}, {-80, 80, true}, {-1, 1, false}}},
      {"grown", grown_from_one<float>, expl, 0.9, {{-0.07, 0.07, false}, {-90, 90, true}}},
      {"log", m::log<float>, logl, 0.9, {{0.5, 2, false}, {1e-40, 3e38, true}, {0, 100, false}}},
      {"tanh", m::tanh<float>, tanhl, 1.8, {{-1, 1, false}, {-12, 12, true}, {-10, 10, false}}},
      {"sigmoid", m::sigmoid<float>, precise_sigmoid, 1.5, {{-104, 20, false}, {-9, 9, true}, {-2, 2, false}}},
      {"softplus", m::softplus<float>, precise_softplus, 1.8, {{-104, 20, false}, {-9, 9, true}, {-2, 2, false}}},
      {"erf", m::erf<float>, erfl, 1.2, {{-1.2, 1.2, false}, {-5, 5, true}, {-5, 5, false}}},
  };
  const Case<double> in_double[] = {
      {"quotient", divided<double>, precisely_divided, 0.51, {{1e-9, 4, false}, {1e-37, 1e37, true}, {0.5, 2, false}}},
      {"exp", m::exp<double>, expl, 0.9, {{-745, 710, false}, {-80, 80, true}, {-1, 1, false}}},
      {"grown", grown_from_one<double>, expl, 0.9, {{-0.07, 0.07, false}, {-90, 90, true}}},
      {"log", m::log<double>, logl, 0.9, {{0.5, 2, false}, {1e-40, 1e300, true}, {0, 5e-308, false}}},
      {"tanh", m::tanh<double>, tanhl, 2.0, {{-1, 1, false}, {-25, 25, true}, {-20, 20, false}}},
      {"sigmoid", m::sigmoid<double>, precise_sigmoid, 1.5, {{-745, 40, false}, {-9, 9, true}, {-2, 2, false}}},
      {"softplus", m::softplus<double>, precise_softplus, 1.8, {{-745, 40, false}, {-9, 9, true}, {-2, 2, false}}},
      {"erf", m::erf<double>, erfl, 1.2, {{-1.2, 1.2, false}, {-6, 6, true}, {-7, 7, false}}},
  };
  for (const auto& c : in_float) check_accuracy(c, count);
  for (const auto& c : in_double) check_accuracy(c, count);
  check_limits<float>();
  check_limits<double>();
  check_quotient<float>();
  check_quotient<double>();
  check_normals();
  return check_result();
}
