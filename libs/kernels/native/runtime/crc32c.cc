// CRC32C (Castagnoli) of large arrays: chunks on all threads, joined as if they had been read in one go.
#include <array>
#include <memory>
#include <vector>

#include "kernel.h"

namespace esparse {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // its bits reversed
constexpr std::size_t kChunk = 1 << 20;

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// What a byte becomes when `t` further bytes follow it.
Tables make_tables() {
  Tables tables;
  for (std::uint32_t byte = 0; byte < 256; byte++) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t t = 1; t < 8; t++) {
    for (std::size_t byte = 0; byte < 256; byte++) {
      const std::uint32_t before = tables[t - 1][byte];
      tables[t][byte] = (before >> 8) ^ tables[0][before & 255];
    }
  }
  return tables;
}

// The register after these bytes.
std::uint32_t by_tables(std::uint32_t crc, const std::uint8_t* bytes, std::size_t count) {
  static const Tables tables = make_tables();
  for (; count >= 8; bytes += 8, count -= 8) {
    std::uint32_t next = 0;
    for (int i = 0; i < 4; i++) next ^= tables[7 - i][((crc >> 8 * i) & 255) ^ bytes[i]] ^ tables[3 - i][bytes[4 + i]];
    crc = next;
  }
  for (; count > 0; bytes++, count--) crc = (crc >> 8) ^ tables[0][(crc ^ *bytes) & 255];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t crc, const std::uint8_t* bytes,
                                                                std::size_t count) {
  std::uint64_t wide = crc;
  for (; count >= 8; bytes += 8, count -= 8) {
    std::uint64_t word;
    __builtin_memcpy(&word, bytes, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; count > 0; bytes++, count--) crc = __builtin_ia32_crc32qi(crc, *bytes);
  return crc;
}
const bool kHasInstruction = __builtin_cpu_supports("sse4.2");
#else
constexpr bool kHasInstruction = false;
std::uint32_t by_instruction(std::uint32_t crc, const std::uint8_t* bytes, std::size_t count) {
  return by_tables(crc, bytes, count);
}
#endif

// The product of two polynomials modulo that of the checksum; the highest bit is the constant term.
std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    if (a & 0x80000000u) product ^= b;
    b = (b >> 1) ^ (b & 1 ? kPolynomial : 0);
  }
  return product;
}

// What a register is multiplied by when so many zero bytes follow it: x^(8 count).
std::uint32_t power_of(std::size_t count) {
  std::uint32_t result = 0x80000000u, square = 0x00800000u;  // 1, x^8
  for (; count > 0; count >>= 1) {
    if (count & 1) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

struct Crc32cArguments {
  Span<std::uint8_t> bytes;
  std::size_t before;  // the checksum of everything before; 0 where there is nothing
  template <typename Each>
  void fields(Each& each) {
    each("bytes", bytes), each("before", before);
  }
};

// Resolves to the checksum.
Napi::Value crc32c(Call& call, const Crc32cArguments& a) {
  call.at_most("before", a.before, 0xffffffffu);
  if (call.failed()) return call.nothing();
  const std::size_t length = a.bytes.length, chunks = (length + kChunk - 1) / kChunk;
  const auto registers = std::make_shared<std::vector<std::uint32_t>>(chunks);
  return call.promise(
      chunks,
      [=](std::size_t chunk) {
        const std::size_t begin = chunk * kChunk;
        const auto sum = kHasInstruction ? by_instruction : by_tables;
        (*registers)[chunk] = sum(0, a.bytes.data + begin, std::min(kChunk, length - begin));
      },
      [=](Napi::Env env) {
        const std::uint32_t whole = power_of(kChunk);
        std::uint32_t crc = ~static_cast<std::uint32_t>(a.before);
        for (std::size_t chunk = 0; chunk < chunks; chunk++) {
          const std::size_t left = length - chunk * kChunk;
          crc = multiply(crc, left >= kChunk ? whole : power_of(left)) ^ (*registers)[chunk];
        }
        return Napi::Number::New(env, static_cast<std::uint32_t>(~crc));
      });
}

}  // namespace

void register_crc32c(Napi::Object exports) {
  add_kernel(exports, "crc32c", crc32c);
}

}  // namespace esparse
