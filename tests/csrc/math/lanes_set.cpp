// The operations of lanes_set.h on the instruction set that this file is compiled for.
#include "lanes_set.h"

#include "math/elementary.h"
#include "math/lanes.h"
#include "math/philox.h"

#define TEXT_OF(x) #x
#define NAME_OF(x) TEXT_OF(x)

STREAMDL_BEGIN

template <class V>
V second_of_split(V a) {
  V n;
  (void)split(a, n);
  return n;
}

//---------------------------------------------------------------------------- on the vector type

// All 32 bits of sixteen words as two vectors that hold whole numbers times 2^-24.
void reveal(Words w, float* out) {
  uint32_t word[16];
  store(word, w);
  store(out, to_unit(w));
  for (int i = 0; i < 16; ++i) out[16 + i] = to_unit(word[i] << 24);
}

template <class T>
void run_vectors(Operation operation, const T* in, T* out, int blocks) {
  using V = Lanes<T>;
  constexpr int width = V::width;
  for (int block = 0; block < blocks; ++block, in += kVectorsIn * width, out += kVectorsOut * width) {
    const V a = load(in), b = load(in + width), c = load(in + 2 * width), n = load(in + 3 * width);
    [[maybe_unused]] V unused;
    switch (operation) {
#define LANE_CASE(name, expression) \
  case name: store(out, expression); break;
      LANE_OPERATIONS(LANE_CASE)
#undef LANE_CASE
      case sums:
        out[0] = sum(a);
        out[1] = sum(n);
        break;
      case four_sums: {
        T four[4];
        sum4(a, b, c, n, four);
        for (int i = 0; i < 4; ++i) out[i] = four[i];
        break;
      }
      case maxima:
        out[0] = maximum(select(a == a, a, V(0)));
        out[1] = maximum(select(a == a, copysign(V(0), a), V(0)));
        break;
      case firsts:  // 0, 3, ... 21 lanes: none, some and more than there are
        for (int i = 0; i < kVectorsOut; ++i)
          store(out + i * width, i % 2 ? keep_first(b, 3 * i) : load_first(in, 3 * i));
        break;
      case positions: {
        int32_t list[16] = {};
        const int count = store_positions<T>(a < b, 3, list);
        for (int i = 0; i < count; ++i) out[i] = (T)list[i];
        out[width] = (T)count;
        break;
      }
      case picked: {
        int32_t index[width];
        for (int i = 0; i < width; ++i) index[i] = (int32_t)in[3 * width + i] & (kVectorsIn * width - 1);
        for (int i = 0; i < width; i += Register<T>::width) store(out + i, gather(in, index + i));
        break;
      }
      case scattered: {  // to four numbers that differ
        int32_t index[4];
        for (int i = 0; i < 4; ++i) index[i] = ((int32_t)in[3 * width] + 5 * i) & (width - 1);
        store(out, c);
        add_to_four(out, index, in[0], in + width);
        break;
      }
      case masks:
        out[0] = (T)to_bits(a < b);
        out[1] = (T)to_bits(a == a);
        out[2] = (T)any(a < b);
        out[3] = (T)all(a == a);
        out[4] = (T)any(a != a);
        out[5] = (T)all(n == n);
        out[6] = (T)any(n != n);
        break;
      default:
        if constexpr (sizeof(T) == 4) {
          uint32_t bits[6];
          for (int i = 0; i < 6; ++i) bits[i] = to_bits(in[i]);
          Words words[4];
          if (operation == widened) {
            Lanes<double> first, second;
            widen(a, first, second);
            double value[16];
            store(value, first);
            store(value + 8, second);
            for (int i = 0; i < 16; ++i) {
              out[i] = from_bits((uint32_t)to_bits(value[i]));
              out[16 + i] = from_bits((uint32_t)(to_bits(value[i]) >> 32));
            }
            const Lanes<double> third(1.0 / 3);
            store(out + 32, narrow(first * third, second * third));
          } else {
            philox(Words(bits[0]) + iota(), bits[1], bits[2], bits[3], bits[4], bits[5], words);
            if (operation == philox_words) {
              for (int i = 0; i < 4; ++i) reveal(words[i], out + 32 * i);
            } else {
              V z0, z1;
              SpreadWords spread_words[4];
              philox(spread(Words(bits[0]) + iota()), bits[1], bits[2], bits[3], bits[4], bits[5], spread_words);
              normals(gathered(spread_words[0]), gathered(spread_words[1]), z0, z1);
              store(out, z0);
              store(out + 16, z1);
            }
          }
        }
    }
  }
}

//---------------------------------------------------------------------------- on a plain number

template <class T>
void run_plain(Operation operation, const T* in, T* out, int blocks) {
  constexpr int width = 64 / sizeof(T);
  for (int block = 0; block < blocks; ++block, in += kVectorsIn * width, out += kVectorsOut * width) {
    for (int i = 0; i < width; ++i) {
      const T a = in[i], b = in[width + i], c = in[2 * width + i], n = in[3 * width + i];
      [[maybe_unused]] T unused;
      switch (operation) {
#define PLAIN_CASE(name, expression) \
  case name: out[i] = expression; break;
        LANE_OPERATIONS(PLAIN_CASE)
#undef PLAIN_CASE
        case philox_words:
        case normal_pairs:
          if constexpr (sizeof(T) == 4) {
            uint32_t bits[6], words[4];
            for (int k = 0; k < 6; ++k) bits[k] = to_bits(in[k]);
            philox(bits[0] + (uint32_t)i, bits[1], bits[2], bits[3], bits[4], bits[5], words);
            if (operation == normal_pairs) {
              normals(words[0], words[1], out[i], out[16 + i]);
              break;
            }
            for (int k = 0; k < 4; ++k) {
              out[32 * k + i] = to_unit(words[k]);
              out[32 * k + 16 + i] = to_unit(words[k] << 24);
            }
          }
          break;
        default: break;  // sums and masks have no plain form
      }
    }
  }
}

extern const LaneSet lane_set, plain_set;
const LaneSet lane_set = {NAME_OF(STREAMDL_ISA) " lanes", run_vectors<float>, run_vectors<double>};
const LaneSet plain_set = {NAME_OF(STREAMDL_ISA) " plain", run_plain<float>, run_plain<double>};

STREAMDL_END
