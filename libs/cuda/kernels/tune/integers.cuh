// Weights that will be integers: the copies that the products read are made of what they would be stored as now.
#pragma once
#include "values.cuh"

namespace esparse::tune {

// The nearest bf16 that is not zero and not subnormal.
__device__ inline float scale_of(float wanted) {
  const float scale = widened(rounded(wanted));
  return fabsf(scale) >= 0x1p-126f ? scale : 0x1p-126f;
}

// The nearest whole number, a half up, within the range.
__device__ inline float integer_for(float weight, float scale, float least, float most) {
  return fminf(fmaxf(floorf(weight / scale + 0.5f), least), most);
}

// Of each span of each row: a scale for its survivors as they are, and its survivors as whole numbers times that scale, in bf16. Of 8
// bits the scale is the largest over 127; of fewer that of some, of either sign, which makes the squared error least. Masters
// stay as they are: gradients taken at the copies move them. A warp has a span; the last one of a row may be shorter.
ESPARSE_KERNEL tune_integers(const float* masters, std::uint16_t* copies, const std::uint8_t* mask, const int* permutation,
                             int rows, int columns, int positions, int spans, int bits) {
  const auto [own, lane] = own_row();
  if (own >= rows * spans) return;
  const int begin = own % spans * positions, end = begin + positions < columns ? begin + positions : columns;
  const std::size_t row = static_cast<std::size_t>(own / spans) * columns;
  float largest = 0, smallest = 0;
  for (int i = begin + lane; i < end; i += kWarp) {
    const std::size_t at = row + permutation[i];
    const float weight = mask[at] ? masters[at] : 0;
    largest = fmaxf(largest, weight), smallest = fminf(smallest, weight);
  }
  largest = warp_max(largest), smallest = -warp_max(-smallest);
  const float extreme = largest >= -smallest ? largest : smallest;
  const float least = bits == 8 ? -127 : bits == 4 ? -8 : -4, most = bits == 8 ? 127 : bits == 4 ? 7 : 3;
  float scale = scale_of(bits == 8 ? fabsf(extreme) / 127 : extreme / least);
  if (bits != 8) {
    // Thousandths of the largest, as `scaleFor` tries them: of 4 bits 1000, 967, 933 … 800; of 3 bits 1000, 950, 900 … 600.
    const int candidates = bits == 4 ? 14 : 18;
    const float parts = bits == 4 ? 30 : 20;
    float fewest = -1;
    for (int candidate = 0; candidate < candidates; candidate++) {
      const float shrink = rintf(1000 - 1000 * static_cast<float>(candidate / 2) / parts) / 1000;
      const float tried = scale_of((candidate % 2 == 0 ? extreme : -extreme) * shrink / least);
      float error = 0;
      for (int i = begin + lane; i < end; i += kWarp) {
        const std::size_t at = row + permutation[i];
        if (!mask[at]) continue;
        const float lost = masters[at] - tried * integer_for(masters[at], tried, least, most);
        error += lost * lost;
      }
      error = warp_sum(error);
      if (fewest >= 0 && !(error < fewest)) continue;
      fewest = error;
      scale = tried;
    }
  }
  for (int i = begin + lane; i < end; i += kWarp) {
    const std::size_t at = row + permutation[i];
    copies[at] = rounded(mask[at] ? scale * integer_for(masters[at], scale, least, most) : 0);
  }
}

}  // namespace esparse::tune
