// When what happens in a CTA, for the harness (`harness/timeline.cuh`): there where ESPARSE_TIMELINE is defined, else nothing.
#pragma once

namespace esparse {

// Weights, or keys and values, are asked for; the kernels before have ended; activations are there; sums are; the last CTA of
// a head adds splits up.
enum class Moment { kStart, kRequested, kReleased, kReady, kSummed, kMerging, kEnd };

#ifndef ESPARSE_TIMELINE
__device__ __forceinline__ void begin_timeline(const void*) {}
__device__ __forceinline__ void stamp(Moment, bool = false) {}
__device__ __forceinline__ void end_timeline() {}
#else

constexpr int kMoments = static_cast<int>(Moment::kEnd) + 1, kMostRecords = 1 << 18;
struct TimelineRecord {
  const void* of;
  int cta, sm;
  long long start_ns, end_ns;  // the GPU's time
  long long cycles[kMoments];  // the SM's; 0: did not come
};
__device__ TimelineRecord timeline_records[kMostRecords];
__device__ unsigned timeline_count;

__device__ __forceinline__ TimelineRecord& own_record() {
  __shared__ TimelineRecord record;
  return record;
}
__device__ __forceinline__ long long global_time() {
  long long now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now)::"memory");
  return now;
}

// By the first thread of a CTA, or by another that is the only one.
__device__ __forceinline__ void stamp(Moment moment, bool other = false) {
  if (threadIdx.x == 0 || other) own_record().cycles[static_cast<int>(moment)] = clock64();
}
__device__ __forceinline__ void begin_timeline(const void* of) {
  if (threadIdx.x != 0) return;
  TimelineRecord& record = own_record();
  record.of = of;
  record.cta = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  for (int i = 0; i < kMoments; i++) record.cycles[i] = 0;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(record.sm));
  record.start_ns = global_time();
  stamp(Moment::kStart);
}
__device__ __forceinline__ void end_timeline() {
  if (threadIdx.x != 0) return;
  TimelineRecord& record = own_record();
  stamp(Moment::kEnd);
  record.end_ns = global_time();
  const unsigned at = atomicAdd(&timeline_count, 1u);
  if (at < kMostRecords) timeline_records[at] = record;
}
#endif

}  // namespace esparse
