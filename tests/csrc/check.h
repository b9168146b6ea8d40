// The assertions of the C++ tests: a failed one prints place, expression and numbers, and the test
// goes on. Each test ends with `return check_result();`.
#pragma once

#include <iostream>
#include <sstream>
#include <string>
#include <type_traits>

inline int check_count = 0;
inline int check_failures = 0;

// How a value is printed: numbers as numbers (also one-byte ones), enums by their number.
template <class T>
std::string check_text(const T& value) {
  std::ostringstream out;
  out.precision(17);
  if constexpr (std::is_enum_v<T>) out << static_cast<long long>(value);
  else if constexpr (std::is_arithmetic_v<T> && sizeof(T) == 1) out << static_cast<int>(value);
  else out << value;
  return out.str();
}

inline bool check_report(bool good, const char* file, int line, const std::string& what) {
  ++check_count;
  if (good) return true;
  ++check_failures;
  std::cerr << file << ":" << line << ": " << what << "\n";
  return false;
}

// CHECK(condition): true is expected.
#define CHECK(condition) check_report((condition), __FILE__, __LINE__, "failed: " #condition)

// CHECK_EQUAL(got, expected): prints both when they differ.
#define CHECK_EQUAL(got, expected) check_equal((got), (expected), __FILE__, __LINE__, #got " == " #expected)

// CHECK_NEAR(got, expected, tolerance): |got - expected| <= tolerance; false for NaN.
#define CHECK_NEAR(got, expected, tolerance) \
  check_near((got), (expected), (tolerance), __FILE__, __LINE__, #got " ~ " #expected)

template <class A, class B>
bool check_equal(const A& got, const B& expected, const char* file, int line, const char* what) {
  if (got == expected) return check_report(true, file, line, "");
  return check_report(false, file, line,
                      std::string(what) + ": got " + check_text(got) + ", expected " + check_text(expected));
}

inline bool check_near(double got, double expected, double tolerance, const char* file, int line, const char* what) {
  const double difference = got > expected ? got - expected : expected - got;
  if (difference <= tolerance) return check_report(true, file, line, "");
  return check_report(false, file, line,
                      std::string(what) + ": got " + check_text(got) + ", expected " + check_text(expected) +
                          " within " + check_text(tolerance));
}

// The exit status of a test, after one line of summary.
inline int check_result() {
  std::cout << check_count << " checks, " << check_failures << " failed\n";
  return check_failures == 0 && check_count > 0 ? 0 : 1;
}
