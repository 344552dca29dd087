{
  "targets": [
    {
      "target_name": "esparse_cuda",
      "sources": ["native/addon.cc", "native/arithmetic.cc", "native/arithmetic_class.cc", "native/channel_order.cc", "native/cublaslt.cc", "native/decoder.cc", "native/decoder_arguments.cc", "native/decoder_block.cc", "native/decoder_class.cc", "native/decoder_experts.cc", "native/decoder_linears.cc", "native/device.cc", "native/driver.cc", "native/embed.cc", "native/prefill.cc", "native/prefill_launch.cc", "native/products.cc", "native/row_arguments.cc", "native/sampling.cc", "native/step.cc", "native/step_attention.cc", "native/step_experts.cc", "native/step_graph.cc", "native/step_linear.cc", "native/step_mlp.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # A thread that is ended while it is in here cannot be told of an error any more, and need not be.
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions"],
      "cflags_cc": ["-std=c++17", "-O2", "-Wall", "-Wextra"],
      "libraries": ["-ldl"]
    }
  ]
}
