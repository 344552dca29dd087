// The vendor's library for dense products, opened where it is found. It is timed in turns with our kernels: a card that is at the
// limit of its power slows down for both.
#pragma once
#include <dlfcn.h>

#include "support.cuh"

namespace harness {

class Cublas {
 public:
  Cublas() {
    void* const library = dlopen("libcublas.so.13", RTLD_NOW);
    if (library == nullptr) {
      std::printf("not timed beside cuBLAS: %s\n", dlerror());
      return;
    }
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
    };
    int (*create)(void**);
    find(create, "cublasCreate_v2");
    find(destroy_, "cublasDestroy_v2");
    find(set_stream_, "cublasSetStream_v2");
    find(gemm_, "cublasGemmEx");
    if (create(&handle_) != 0) fail();
  }
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;
  ~Cublas() {
    if (handle_ != nullptr) destroy_(handle_);
  }
  explicit operator bool() const { return handle_ != nullptr; }

  // out [tokens][rows] = x [tokens][cols] by weights [rows][cols], all of them bf16; sums in f32.
  void linear(cudaStream_t stream, const std::uint16_t* weights, const std::uint16_t* x, std::uint16_t* out, int rows, int cols,
              int tokens) const {
    constexpr int kTransposed = 1, kAsItIs = 0, kBf16 = 14, kSumsInF32 = 68, kDefault = -1;
    const float one = 1, zero = 0;
    if (set_stream_(handle_, stream) != 0 ||
        gemm_(handle_, kTransposed, kAsItIs, rows, tokens, cols, &one, weights, kBf16, cols, x, kBf16, cols, &zero, out, kBf16,
              rows, kSumsInF32, kDefault) != 0) {
      fail();
    }
  }

 private:
  static void fail() {
    std::printf("cuBLAS failed\n");
    std::exit(1);
  }
  void* handle_ = nullptr;
  int (*destroy_)(void*) = nullptr;
  int (*set_stream_)(void*, cudaStream_t) = nullptr;
  int (*gemm_)(void*, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int, const void*, void*, int,
               int, int, int) = nullptr;
};

}  // namespace harness
