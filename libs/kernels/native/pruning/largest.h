// The largest of a few values, for one group of each lane.
#pragma once
#include "runtime/shuffled.h"

namespace esparse {

// One value for each of kGroupsAtOnce groups.
using Lanes = float[kGroupsAtOnce];

// Inserts one score of every group into that group's `keep` largest, held in descending order; `values` is overwritten.
void insert(Lanes* top, std::size_t keep, float* values);

}  // namespace esparse
