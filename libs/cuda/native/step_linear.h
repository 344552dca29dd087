// A linear of up to three segments, or a pair, as a step puts it together.
#pragma once
#include "step.h"

namespace esparse {

struct Step::LinearLaunch {
  int tokens;
  Encoding encoding;
  int cols;
  LinearArguments args{};
  Input input = Input::kFragments;
  Output output = Output::kPlanes;

  LinearLaunch(int tokens, const Linear& first, float* out) : tokens(tokens), encoding(first.encoding), cols(first.cols) {
    args.out = out;
  }
  bool sparse() const { return is_sparse(encoding); }
  // A segment of plain outputs, after those before.
  void add(const Linear& linear, LinearActivations activations) {
    args.activations[args.segment_count] = activations;
    args.segments[args.segment_count++] = {linear.packed.data(), linear.panels(), 0, linear.rows, args.out_rows, false};
    args.out_rows += linear.rows;
  }
  // Gate and up; `apart`: in any case as two linears.
  void pair(const Layer& layer, LinearActivations of_gate, LinearActivations of_up, bool apart, std::uint8_t* activated,
            int shared) {
    args.activations[0] = of_gate;
    args.activations[1] = of_up;
    const int rows = layer.gate.rows, panels = layer.gate.tiles() / kPanelTiles;  // rows are whole blocks
    if (apart || pair_is_apart(layer.gate.format(), layer.gate.tiles(), cols, tokens, shared)) {
      args.segments[0] = {layer.gate_up.data(), panels, 0, rows, 0, true};
      args.segments[1] = {layer.gate_up.data() + layer.gate.format().tile_bytes, panels, 0, rows, rows, true};
      args.segment_count = 2;
      args.out_rows = 2 * rows;
      return;
    }
    args.segments[0] = {layer.gate_up.data(), layer.gate.tiles(), 0, layer.gate.rows, 0, false};
    args.segment_count = 1;
    args.out_rows = 2 * layer.gate.rows;
    args.fragments = activated;
    output = Output::kPairedPlanes;
  }
};

}  // namespace esparse
