// The kernels' names in the module, as every C++ compiler makes them of namespace, template and parameters (the Itanium
// ABI). A test holds them against the PTX.
#pragma once
#include <string>

#include "../kernels/encoding.h"
#include "../kernels/prefill_arguments.h"

namespace esparse {

constexpr const char* kEmbed = "_ZN7esparse5embedEPKiPKtPfiifS1_S3_";
constexpr const char* kNorm = "_ZN7esparse4normENS_13NormArgumentsE";
constexpr const char* kJoin = "_ZN7esparse4joinENS_13JoinArgumentsE";
constexpr const char* kNormHeads = "_ZN7esparse10norm_headsENS_18NormHeadsArgumentsE";
constexpr const char* kSwigluKernel = "_ZN7esparse6swigluENS_6PlanesEPhiNS_10DigitOrderE";
constexpr const char* kDigitise = "_ZN7esparse8digitiseEPKhPhiiNS_10DigitOrderE";
constexpr const char* kArgmaxParts = "_ZN7esparse12argmax_partsENS_6PlanesEiPfPm";
constexpr const char* kArgmax = "_ZN7esparse6argmaxEPKmiNS_9SequencesEPi";
constexpr const char* kCountHistory = "_ZN7esparse13count_historyENS_15ChoiceArgumentsE";
constexpr const char* kScoreParts = "_ZN7esparse11score_partsENS_6PlanesENS_15ChoiceArgumentsE";
constexpr const char* kWeighParts = "_ZN7esparse11weigh_partsENS_15ChoiceArgumentsE";
constexpr const char* kGatherCandidates = "_ZN7esparse17gather_candidatesENS_15ChoiceArgumentsE";
constexpr const char* kChoose = "_ZN7esparse6chooseENS_15ChoiceArgumentsE";
constexpr const char* kReportParts = "_ZN7esparse12report_partsENS_15ChoiceArgumentsE";
constexpr const char* kReport = "_ZN7esparse6reportENS_15ChoiceArgumentsEi";
constexpr const char* kCheckPositions = "_ZN7esparse15check_positionsEPKNS_6Words2EmPy";
constexpr const char* kRepackSparse = "_ZN7esparse13repack_sparseENS_12StoredSparseEPhNS_10TilePlacesE";
constexpr const char* kRepackDense = "_ZN7esparse12repack_denseENS_11StoredDenseEPhNS_10TilePlacesE";

inline std::string activate_sums_name(Activation activation) {
  return "_ZN7esparse13activate_sumsILNS_10ActivationE" + std::to_string(static_cast<int>(activation)) +
         "EEEvNS_6PlanesEPKfbPhib";
}

constexpr const char* kCheckIntegerPositions = "_ZN7esparse23check_integer_positionsEPKjiiPy";
constexpr const char* kCheckScales = "_ZN7esparse12check_scalesEPKtiiPy";
constexpr const char* kRepackIntegers =
    "_ZN7esparse15repack_integersENS_14StoredIntegersENS_12IntegerOrderEPhNS_10TilePlacesE";
constexpr const char* kEmbedIntegers = "_ZN7esparse14embed_integersEPKiNS_14StoredIntegersEPfiifS1_PKt";

// Of the class of weights, with its length.
inline std::string weights_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kSparse:
      return "6Sparse";
    case Encoding::kDense:
      return "5Dense";
    case Encoding::kSparseInt8:
      return "10SparseInt8";
    case Encoding::kSparseInt4:
      return "10SparseInt4";
    case Encoding::kSparseInt4Fine:
      return "14SparseInt4Fine";
    case Encoding::kDenseInt8:
      return "9DenseInt8";
    default:
      return "9DenseInt4";
  }
}

constexpr const char* kScoreExperts = "_ZN7esparse13score_expertsENS_14RouteArgumentsE";
constexpr const char* kRoute = "_ZN7esparse5routeENS_14RouteArgumentsE";
constexpr const char* kGatherRows = "_ZN7esparse11gather_rowsENS_15GatherArgumentsE";
constexpr const char* kCombineExperts = "_ZN7esparse15combine_expertsENS_16CombineArgumentsE";

inline std::string expert_linear_name(Encoding encoding) {
  return std::string("_ZN7esparse13expert_linearINS_") + weights_name(encoding) +
         "EEEvNS_21ExpertLinearArgumentsE";
}
inline std::string activate_experts_name(Activation activation) {
  return "_ZN7esparse16activate_expertsILNS_10ActivationE" + std::to_string(static_cast<int>(activation)) +
         "EEEvNS_24ActivateExpertsArgumentsE";
}

inline std::string attend_heads_name(int dims) {
  return "_ZN7esparse12attend_headsILi" + std::to_string(dims) + "EEEvNS_18AttentionArgumentsE";
}
inline std::string attend_splits_name(int dims, int slots) {
  return "_ZN7esparse13attend_splitsILi" + std::to_string(dims) + "ELi" + std::to_string(slots) + "EEEvNS_18AttentionArgumentsE";
}

inline std::string append_positions_name(int dims) {
  return "_ZN7esparse16append_positionsILi" + std::to_string(dims) + "EEEvNS_18AttentionArgumentsE";
}

inline std::string linear_name(Encoding encoding, int tokens, int warps, Input input, Output output) {
  return std::string("_ZN7esparse6linearINS_") + weights_name(encoding) + "ELi" + std::to_string(tokens) +
         "ELi" + std::to_string(warps) + "ELNS_5InputE" + std::to_string(static_cast<int>(input)) +
         "ELNS_6OutputE" + std::to_string(static_cast<int>(output)) + "EEEvNS_15LinearArgumentsE";
}

inline std::string linear_wide_name(Encoding encoding, int tokens) {
  return std::string("_ZN7esparse11linear_wideINS_") + weights_name(encoding) + "ELi" + std::to_string(tokens) +
         "EEEvNS_15LinearArgumentsE";
}

inline std::string linear_widest_name(Encoding encoding, int tokens, int panels) {
  return std::string("_ZN7esparse13linear_widestINS_") + weights_name(encoding) + "ELi" + std::to_string(tokens) + "ELi" +
         std::to_string(panels) + "EEEvNS_15LinearArgumentsE";
}

constexpr const char* kNormRows = "_ZN7esparse9norm_rowsENS_11PrefillNormE";
constexpr const char* kShuffle = "_ZN7esparse7shuffleEPKtS1_iiPt";

inline std::string append_name(int dims) {
  return "_ZN7esparse6appendILi" + std::to_string(dims) + "EEEvNS_16PrefillAttentionE";
}
inline std::string attend_chunk_name(int dims) {
  return "_ZN7esparse12attend_chunkILi" + std::to_string(dims) + "EEEvNS_16PrefillAttentionE";
}
inline std::string attend_chunk_mma_name(int dims) {
  return "_ZN7esparse16attend_chunk_mmaILi" + std::to_string(dims) + "EEEvNS_16PrefillAttentionE";
}
inline std::string prefill_linear_mma_name(bool sparse, const MmaTile& tile) {
  return std::string("_ZN7esparse18prefill_linear_mmaINS_") + weights_name(sparse ? Encoding::kSparse : Encoding::kDense) + "ELi" +
         std::to_string(tile.row_warps) + "ELi" + std::to_string(tile.warp_rows) + "ELi" + std::to_string(tile.warp_tokens) +
         "EEEvNS_16PrefillArgumentsE";
}
inline std::string prefill_linear_name(Encoding encoding, int tile, PrefillOutput output) {
  return std::string("_ZN7esparse14prefill_linearINS_") + weights_name(encoding) + "ELi" +
         std::to_string(tile) + "ELNS_13PrefillOutputE" + std::to_string(static_cast<int>(output)) +
         "EEEvNS_16PrefillArgumentsE";
}

}  // namespace esparse
