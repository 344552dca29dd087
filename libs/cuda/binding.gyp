{
  "targets": [
    {
      "target_name": "esparse_cuda",
      "sources": ["native/addon.cc", "native/arithmetic.cc", "native/arithmetic_class.cc", "native/cublaslt.cc", "native/decoder.cc", "native/device.cc", "native/driver.cc", "native/prefill.cc", "native/products.cc", "native/sampling.cc", "native/step.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions"],
      "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra"],
      "libraries": ["-ldl"]
    }
  ]
}
