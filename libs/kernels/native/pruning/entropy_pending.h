// The rows of a state that wait to be counted: f32 as (channel / kLanes, kPendingRows, kLanes). See src/pruning/entropy.ts.
#pragma once
#include "entropy_histogram.h"

namespace esparse {

// Counts the first `rows` rows that wait, of `width` channels from `begin` on (a multiple of kLanes).
void count_waiting(const Histograms& state, std::size_t begin, std::size_t width, std::size_t rows);

// Copies rows to those that wait, from row `at` on, where there must be room. `from` points at channel `begin`.
void put_waiting(const Histograms& state, std::size_t at, std::size_t begin, std::size_t width, const float* from,
                 std::size_t rows, std::size_t stride);

// Adds rows to those that wait and counts whenever they fill the room; the first `put` rows were put there before.
void append(const Histograms& state, std::size_t begin, std::size_t width, const float* from, std::size_t rows,
            std::size_t stride, std::size_t put);

}  // namespace esparse
