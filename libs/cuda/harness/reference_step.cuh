// The decode step in f64.
#pragma once
#include "decoder.cuh"
#include "reference.cuh"

namespace harness {

// Logits [tokens][vocabulary]. The cache must hold what it held before the step (the new position's row is not read).
inline std::vector<double> reference_step(const Decoder& decoder, const Batch& batch) {
  const Shape& s = decoder.shape;
  const int tokens = batch.tokens, kv = s.kv_heads * s.dims;
  const auto array = [&](int width) { return Device<double>(static_cast<std::size_t>(tokens) * width); };
  const auto x = array(s.hidden), normed = array(s.hidden), q = array(s.heads * s.dims), k = array(kv), v = array(kv);
  const auto attended = array(s.heads * s.dims), gate = array(s.inner), up = array(s.inner), added = array(s.hidden);
  const auto logits = array(s.vocabulary);
  const auto ceil = [](std::size_t count) { return static_cast<unsigned>((count + 255) / 256); };
  const std::vector<std::int32_t> positions = batch.positions.host();
  const int last = *std::max_element(positions.begin(), positions.end());

  reference_embed<<<tokens, 256>>>(batch.ids, decoder.embedding, x, s.hidden);
  for (const Layer& layer : decoder.layers) {
    reference_norm<<<tokens, 1>>>(x, layer.attention_norm, kEpsilon, normed, s.hidden);
    reference_linear(layer.q, normed, q, tokens);
    reference_linear(layer.k, normed, k, tokens);
    reference_linear(layer.v, normed, v, tokens);
    const ReferenceCache cache{layer.keys, layer.values, batch.page_table, batch.positions, batch.max_pages,
                               s.heads,    s.kv_heads,   s.dims,           decoder.rotary,  {},              0};
    const std::size_t shared = (last + 1 + 2 * s.dims) * sizeof(double);
    reference_attention<<<dim3(s.heads, tokens), s.dims, shared>>>(cache, q, k, v, attended);
    reference_linear(layer.o, attended, added, tokens);
    reference_add<<<ceil(added.count()), 256>>>(x, added, added.count());
    reference_norm<<<tokens, 1>>>(x, layer.mlp_norm, kEpsilon, normed, s.hidden);
    reference_linear(layer.gate, normed, gate, tokens);
    reference_linear(layer.up, normed, up, tokens);
    reference_swiglu<<<ceil(gate.count()), 256>>>(gate, up, gate, gate.count());
    reference_linear(layer.down, gate, added, tokens);
    reference_add<<<ceil(added.count()), 256>>>(x, added, added.count());
  }
  reference_norm<<<tokens, 1>>>(x, decoder.norm, kEpsilon, normed, s.hidden);
  reference_linear(decoder.head, normed, logits, tokens);
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  return logits.host();
}

}  // namespace harness
