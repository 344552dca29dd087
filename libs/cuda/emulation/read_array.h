// What a test writes to a program.
#pragma once
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace esparse {

// So many numbers of the standard input; where it has fewer, the program ends with 2.
template <class T>
std::vector<T> read_array(std::size_t count) {
  std::vector<T> out(count);
  if (std::fread(out.data(), sizeof(T), count, stdin) != count) std::exit(2);
  return out;
}

}  // namespace esparse
