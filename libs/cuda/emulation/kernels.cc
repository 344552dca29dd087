// The plain kernels on the processor, for a driver without a GPU (`driver.cc`): by their names in the PTX.
#include "../kernels/block.cu"
#include "../kernels/solve.cu"
#include "../kernels/statistics.cu"
#include "../kernels/tune.cu"

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "threads.h"

namespace esparse {
namespace {

using Runner = std::function<void(void** arguments)>;

// Passes a kernel what the driver was given: a pointer to each of its arguments.
template <class... Parameters, std::size_t... kAt>
Runner runner_of(void (*kernel)(Parameters...), std::index_sequence<kAt...>) {
  return [kernel](void** arguments) { kernel(*static_cast<Parameters*>(arguments[kAt])...); };
}
template <class... Parameters>
Runner runner_of(void (*kernel)(Parameters...)) {
  return runner_of(kernel, std::index_sequence_for<Parameters...>());
}

const std::map<std::string, Runner>& runners() {
#define KERNEL(name) {#name, runner_of(name)}
#define TUNE(name) {#name, runner_of(tune::name)}
#define SOLVE(name) {#name, runner_of(solve::name)}
  static const std::map<std::string, Runner> all = {
      KERNEL(scale_elements),   KERNEL(add_elements),    KERNEL(add_to_rows),   KERNEL(activate),
      KERNEL(gate_elements),    KERNEL(rms_norm),        KERNEL(layer_norm),    KERNEL(turn_heads),
      KERNEL(causal_softmax),   KERNEL(amplitude_update), KERNEL(amplitude_merge), KERNEL(entropy_begin),
      KERNEL(entropy_ranges),   KERNEL(entropy_count),   KERNEL(entropy_merge), KERNEL(entropy_masses), KERNEL(entropy_of_masses), KERNEL(row_draws), KERNEL(row_sample), KERNEL(products_difference), KERNEL(products_add),
      KERNEL(unpack_matrix), KERNEL(products_diagonal), KERNEL(products_matrix), KERNEL(products_merge),
      SOLVE(descent_difference), SOLVE(descent_gradient), SOLVE(descent_inverses), SOLVE(descent_rows),
      SOLVE(descent_step), SOLVE(halves_matrix), SOLVE(rows_kept), SOLVE(rows_mask), SOLVE(rows_narrow), SOLVE(rows_widen),
      SOLVE(outputs_dense), SOLVE(outputs_kept), SOLVE(outputs_turn), SOLVE(scores_by_channel), SOLVE(scores_kept), SOLVE(scores_means), SOLVE(solve_place), SOLVE(solve_take),
      SOLVE(sparse_gpt_channels), SOLVE(sparse_gpt_hessian), SOLVE(sparse_gpt_mask), SOLVE(sparse_gpt_reverse),
      SOLVE(sparse_gpt_rows), SOLVE(sparse_gpt_sweep),
      SOLVE(survivors_begin), SOLVE(survivors_residual), SOLVE(survivors_step),
      SOLVE(swap_choose), SOLVE(swap_measure), SOLVE(swap_panel), SOLVE(swap_partners), SOLVE(swap_sum),
      TUNE(tune_activation), TUNE(tune_activation_back), TUNE(tune_adam),
      TUNE(tune_add), TUNE(tune_column_parts), TUNE(tune_columns), TUNE(tune_divergence),
      TUNE(tune_gated), TUNE(tune_gated_back), TUNE(tune_gather),
      TUNE(tune_heads), TUNE(tune_integers), TUNE(tune_loss), TUNE(tune_loss_sum),
      TUNE(tune_next), TUNE(tune_norm), TUNE(tune_norm_back),
      TUNE(tune_rope), TUNE(tune_scale), TUNE(tune_softmax),
      TUNE(tune_softmax_back), TUNE(tune_spread),
  };
#undef KERNEL
#undef TUNE
#undef SOLVE
  return all;
}

}  // namespace
}  // namespace esparse

// Whether there is such a kernel; it has run then.
extern "C" bool emulate_kernel(const char* name, const unsigned* grid, const unsigned* block, void** arguments) {
  const auto found = esparse::runners().find(name);
  if (found == esparse::runners().end()) return false;
  esparse::run_grid({grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, [&] { found->second(arguments); });
  return true;
}
