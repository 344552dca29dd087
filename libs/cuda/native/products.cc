#include "products.h"

#include "failure.h"

namespace esparse {
namespace {

// What Hopper's kernels want.
constexpr std::uint64_t kWorkspaceBytes = 32 << 20;
// Plans of other shapes than these are few: a model has some dozens. More are forgotten together.
constexpr std::size_t kMostPlans = 1024;

void require(int status, const char* doing) {
  if (status == 0) return;
  throw Failure(status == 3 ? "unavailable" : "internal",
                std::string("cuBLASLt cannot ") + doing + ": status " + std::to_string(status));
}

template <class Handle, int (*CublasLt::*kRelease)(Handle)>
struct Kept {
  Handle handle{};
  ~Kept() {
    if (handle != nullptr) (cublaslt().*kRelease)(handle);
  }
};

int type_of(Elements elements) {
  return elements == Elements::kF32 ? kLtF32 : elements == Elements::kF16 ? kLtF16 : kLtBf16;
}

}  // namespace

// The library takes matrices by columns: a row-major matrix is its own transpose there, so left and right change places.
struct Products::Plan {
  Kept<LtProduct, &CublasLt::destroy_product> product;
  Kept<LtLayout, &CublasLt::destroy_layout> left, right, out;
  LtAlgorithm algorithm;
};

Products::Products() : workspace_(kWorkspaceBytes) { require(cublaslt().create(&handle_), "start"); }

Products::~Products() {
  plans_.clear();
  cublaslt().destroy(handle_);
}

const Products::Plan& Products::plan(const ProductShape& shape) {
  const auto known = plans_.find(shape);
  if (known != plans_.end()) return *known->second;
  const CublasLt& lt = cublaslt();
  auto made = std::make_unique<Plan>();
  require(lt.create_product(&made->product.handle, kLtSumF32, kLtF32), "describe a product");
  const auto transpose = [&](int which, bool transposed) {
    const std::int32_t value = transposed ? 1 : 0;
    require(lt.set_product(made->product.handle, which, &value, sizeof value), "describe a product");
  };
  transpose(kLtTransposeA, shape.transpose_right);
  transpose(kLtTransposeB, shape.transpose_left);
  const auto layout = [&](LtLayout* out, Elements elements, long long rows, long long cols, long long stride,
                          long long step) {
    require(lt.create_layout(out, type_of(elements), cols, rows, stride), "describe a matrix");
    const std::int32_t batch = shape.batch;
    const std::int64_t offset = step;
    require(lt.set_layout(*out, kLtBatchCount, &batch, sizeof batch), "describe a matrix");
    require(lt.set_layout(*out, kLtBatchStride, &offset, sizeof offset), "describe a matrix");
  };
  const long long m = shape.m, n = shape.n, k = shape.k;
  layout(&made->left.handle, shape.inputs, shape.transpose_left ? k : m, shape.transpose_left ? m : k,
         shape.left_stride, shape.left_step);
  layout(&made->right.handle, shape.inputs, shape.transpose_right ? n : k, shape.transpose_right ? k : n,
         shape.right_stride, shape.right_step);
  layout(&made->out.handle, shape.outputs, m, n, shape.out_stride, shape.out_step);

  Kept<LtPreference, &CublasLt::destroy_preference> preference;
  require(lt.create_preference(&preference.handle), "choose an algorithm");
  const std::uint64_t bytes = kWorkspaceBytes;
  // Each entry is summed in one piece.
  const std::uint32_t reductions = 0;
  require(lt.set_preference(preference.handle, kLtWorkspaceBytes, &bytes, sizeof bytes), "choose an algorithm");
  require(lt.set_preference(preference.handle, kLtReductions, &reductions, sizeof reductions), "choose an algorithm");
  // Heads begin at multiples of eight channels.
  const std::uint32_t alignment = 16;
  for (const int which : kLtAlignments) {
    require(lt.set_preference(preference.handle, which, &alignment, sizeof alignment), "choose an algorithm");
  }
  LtChoice choice{};
  int found = 0;
  const int status = lt.choose(handle_, made->product.handle, made->right.handle, made->left.handle, made->out.handle,
                               made->out.handle, preference.handle, 1, &choice, &found);
  if (status != 0 || found == 0) {
    throw Failure("unsupported", "cuBLASLt has no algorithm for a product of " + std::to_string(shape.m) + " x " +
                                     std::to_string(shape.k) + " x " + std::to_string(shape.n) + " (status " +
                                     std::to_string(status) + ")");
  }
  made->algorithm = choice.algorithm;
  if (plans_.size() >= kMostPlans) plans_.clear();
  return *(plans_[shape] = std::move(made));
}

void Products::multiply(const ProductShape& shape, const Operands& operands, CuStream stream) {
  const Plan& how = plan(shape);
  const auto pointer = [](CuPointer address) { return reinterpret_cast<void*>(address); };
  require(cublaslt().multiply(handle_, how.product.handle, &operands.alpha, pointer(operands.right), how.right.handle,
                              pointer(operands.left), how.left.handle, &operands.beta, pointer(operands.c),
                              how.out.handle, pointer(operands.out), how.out.handle, &how.algorithm,
                              workspace_.data(), kWorkspaceBytes, stream),
          "multiply");
}

}  // namespace esparse
