// What a decode linear (`linear.cuh`) is given.
#pragma once
#include "linear_plan.h"
#include "norm.cuh"

namespace esparse {

enum class Input { kFragments, kNormed };
enum class Output { kPlanes, kPairedPlanes, kSwiglu };

struct LinearSegment {
  const std::uint8_t* weights;
  int panels;
  int first_cta;
  int rows, first_row;  // of the outputs
};

// Where activations come from: one array a segment, or, where the tiles of a panel have their own, one a tile.
struct LinearActivations {
  const std::uint8_t* fragments;  // Input::kFragments
  const std::uint16_t* sources;   // Input::kNormed: the channel of each element, in fragment order
};

struct LinearArguments {
  LinearSegment segments[kMaxSegments];
  LinearActivations activations[kMaxSegments];
  int segment_count;
  int blocks;  // along the inputs
  LinearPlan plan;
  NormInput norm;  // Input::kNormed
  float* out;      // planes: [planes][tokens][out_rows]; of pairs, gate's rows before up's
  int out_rows;
  std::uint8_t* fragments;  // Output::kSwiglu
};

// The blocks of inputs that a warp multiplies, and those of its plane.
struct InputSlice {
  int first, blocks;
  int plane_first, plane_blocks;
};

}  // namespace esparse
