// Linears and JavaScript. A linear is made once and applied thousands of times a second: the calls that apply it use
// Node-API itself, make no objects and take no references.
#include <napi.h>

#include <memory>
#include <string>

#include "runtime/promise_job.h"
#include "runtime/shuffled.h"
#include "linear.h"
#include "runtime/parallel.h"

namespace esparse {
namespace {

struct Linear {
  std::size_t rows = 0, cols = 0;
  virtual ~Linear() = default;
  virtual void apply(const float* x, std::size_t tokens, float* y) const = 0;
};

struct PackedLinear : Linear {
  PackedWeights weights = {};
  const Kernels* with = nullptr;
  void apply(const float* x, std::size_t tokens, float* y) const override {
    apply_packed(*with, weights, x, tokens, y);
  }
};

struct DenseLinear : Linear {
  DenseWeights weights = {};
  const Kernels* with = nullptr;
  void apply(const float* x, std::size_t tokens, float* y) const override {
    apply_dense(*with, weights, x, tokens, y);
  }
};

const Kernels* chosen(const Napi::CallbackInfo& info) {
  const Kernels* found = kernels_named(info[0].ToString());
  if (found == nullptr) {
    Napi::Error::New(info.Env(), "this build or processor has no such instruction set").ThrowAsJavaScriptException();
  }
  return found;
}

template <typename T>
const T* optional_array(Call& call, const Napi::CallbackInfo& info, std::size_t index, std::size_t length) {
  return info[index].IsNull() ? nullptr : call.array<T>(index, length).data;
}

Napi::Value handle_of(Napi::Env env, std::unique_ptr<Linear> linear) {
  return Napi::External<Linear>::New(env, linear.release(), [](Napi::Env, Linear* gone) { delete gone; });
}

// createPackedLinear(instructionSet, f16, rows, cols, keep, group, bits, values, indices, permutation | null, bias | null): a handle, or
// the first tile * groups + group whose indices are wrong. The arrays must live as long as the handle.
Napi::Value create_packed(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Call call(info);
  auto linear = std::make_unique<PackedLinear>();
  PackedWeights& w = linear->weights;
  w.f16 = info[1].ToBoolean();
  w.rows = linear->rows = call.size(2);
  w.cols = linear->cols = call.size(3);
  w.keep = call.size(4);
  w.group = call.size(5);
  w.bits = call.size(6);
  if (call.failed()) return env.Undefined();
  std::size_t bits = 0;
  while ((std::size_t{1} << bits) < w.group) bits++;
  if (w.rows < 1 || w.rows > kMaxDimension || w.cols < 1 || w.cols > kMaxDimension || w.group > kMaxGroup ||
      w.keep < 1 || w.keep >= w.group || w.cols % w.group != 0 || (w.bits != 0 && w.bits != bits)) {
    Napi::RangeError::New(env, "no packed linear has this shape").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::size_t count = w.tiles() * w.groups();
  w.values = call.array<std::uint16_t>(7, count * w.group_values()).data;
  w.indices = call.array<std::uint8_t>(8, count * w.group_bytes()).data;
  const std::int32_t* permutation = optional_array<std::int32_t>(call, info, 9, w.cols);
  w.bias = optional_array<float>(call, info, 10, w.rows);
  if (call.failed() || (linear->with = chosen(info)) == nullptr) return env.Undefined();
  w.order.reserve(w.cols);
  for (std::size_t i = 0; i < w.cols; i++) {
    const auto channel = permutation == nullptr ? static_cast<std::int32_t>(i) : permutation[i];
    if (channel < 0 || static_cast<std::size_t>(channel) >= w.cols) {
      Napi::RangeError::New(env, "a channel is out of range").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    w.order.push_back(static_cast<std::uint32_t>(channel));
  }
  const std::size_t wrong = first_wrong_group(w);
  if (wrong != kAllRight) return Napi::Number::New(env, static_cast<double>(wrong));
  return handle_of(env, std::move(linear));
}

// createDenseLinear(instructionSet, kind: 0 bf16 | 1 f16 | 2 f32, rows, cols, weights, bias | null): a handle.
Napi::Value create_dense(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Call call(info);
  auto linear = std::make_unique<DenseLinear>();
  DenseWeights& w = linear->weights;
  const std::size_t kind = call.size(1);
  w.rows = linear->rows = call.size(2);
  w.cols = linear->cols = call.size(3);
  if (call.failed()) return env.Undefined();
  if (kind >= kDenseKinds || w.rows < 1 || w.rows > kMaxDimension || w.cols < 1 || w.cols > kMaxDimension) {
    Napi::RangeError::New(env, "no dense linear has this shape").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  w.kind = static_cast<DenseKind>(kind);
  if (w.kind == kDenseF32) w.weights = call.array<float>(4, w.rows * w.cols).data;
  else w.weights = call.array<std::uint16_t>(4, w.rows * w.cols).data;
  w.bias = optional_array<float>(call, info, 5, w.rows);
  if (call.failed() || (linear->with = chosen(info)) == nullptr) return env.Undefined();
  return handle_of(env, std::move(linear));
}

// The memory of argument `value` if it is a Float32Array of `length` elements.
float* floats(napi_env env, napi_value value, std::size_t length) {
  napi_typedarray_type type;
  std::size_t elements = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &elements, &data, nullptr, nullptr) != napi_ok) return nullptr;
  return type == napi_float32_array && elements == length ? static_cast<float*>(data) : nullptr;
}

// applyLinear(handle, x: Float32Array, tokens, y: Float32Array): void
napi_value apply(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  std::size_t count = 4;
  void* handle = nullptr;
  std::uint32_t tokens = 0;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok || count != 4 ||
      napi_get_value_external(env, arguments[0], &handle) != napi_ok ||
      napi_get_value_uint32(env, arguments[2], &tokens) != napi_ok || tokens == 0) {
    napi_throw_type_error(env, nullptr, "a linear, inputs, a number of tokens and outputs were expected");
    return nullptr;
  }
  const Linear& linear = *static_cast<const Linear*>(handle);
  const float* x = floats(env, arguments[1], tokens * linear.cols);
  float* y = floats(env, arguments[3], tokens * linear.rows);
  if (x == nullptr || y == nullptr) {
    const std::string shape = std::to_string(tokens) + " tokens of " + std::to_string(linear.cols) + " inputs and " +
                              std::to_string(linear.rows) + " outputs were expected, as Float32Array";
    napi_throw_range_error(env, nullptr, shape.c_str());
    return nullptr;
  }
  linear.apply(x, tokens, y);
  return nullptr;
}

Napi::Value set_compute_threads_js(const Napi::CallbackInfo& info) {
  set_compute_threads(info[0].ToNumber().Uint32Value());
  return info.Env().Undefined();
}

Napi::Value compute_threads_js(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(compute_threads()));
}

// instructionSets(): string[], the fastest first.
Napi::Value instruction_sets(const Napi::CallbackInfo& info) {
  const auto there = all_kernels();
  Napi::Array names = Napi::Array::New(info.Env(), there.size());
  for (std::uint32_t i = 0; i < there.size(); i++) names.Set(i, there[i]->name);
  return names;
}

}  // namespace

void register_linear(Napi::Env env, Napi::Object exports) {
  exports.Set("setComputeThreads", Napi::Function::New(env, set_compute_threads_js));
  exports.Set("computeThreads", Napi::Function::New(env, compute_threads_js));
  exports.Set("instructionSets", Napi::Function::New(env, instruction_sets));
  exports.Set("createPackedLinear", Napi::Function::New(env, create_packed));
  exports.Set("createDenseLinear", Napi::Function::New(env, create_dense));
  napi_value function;
  napi_create_function(env, "applyLinear", NAPI_AUTO_LENGTH, apply, nullptr, &function);
  exports.Set("applyLinear", Napi::Value(env, function));
}

}  // namespace esparse
