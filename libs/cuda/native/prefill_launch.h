// A launch of a linear of prefill.
#pragma once
#include "prefill.h"

namespace esparse {

// One linear, or several that write beside each other.
struct Prefill::LinearLaunch {
  PrefillOutput output;
  PrefillArguments args{};
  Encoding encoding = Encoding::kDense;
  const Activations* from[kMaxSegments];

  LinearLaunch(PrefillOutput output, int out_rows) : output(output) { args.out_rows = out_rows; }
  void add(const Linear& linear, const std::uint8_t* weights, TilePlaces places, const Activations& activations) {
    encoding = linear.encoding;
    args.blocks = linear.blocks();
    const int before = args.segment_count == 0 ? 0 : args.segments[args.segment_count - 1].first_row +
                                                         args.segments[args.segment_count - 1].rows;
    args.segments[args.segment_count] = {weights, places, linear.rows, 0, before};
    from[args.segment_count++] = &activations;
  }
  // Tiles of so many rows, of all of them.
  int row_tiles(int rows) const {
    int tiles = 0;
    for (int s = 0; s < args.segment_count; s++) tiles += ceil_div(args.segments[s].rows, rows);
    return tiles;
  }
  // What the kernel is told, where a CTA has so many rows.
  PrefillArguments of_tiles(int rows, int tokens) const {
    PrefillArguments out = args;
    out.tokens = tokens;
    int before = 0;
    for (int s = 0; s < args.segment_count; s++) {
      out.segments[s].first_tile = before;
      before += ceil_div(args.segments[s].rows, rows);
    }
    return out;
  }
};

}  // namespace esparse
