#include "kernels.h"
namespace esparse {
const Kernels* avx2_kernels() { return nullptr; }
}
